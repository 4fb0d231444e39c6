//! The user a client certificate names: common name, and an organisation for each group.
//!
//! The certificate was verified before it comes here; only its subject is read, by the few rules of DER
//! it needs.

use super::User;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// Tag of the optional version of a certificate.
const VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, IA5String: texts that are also UTF-8.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// 2.5.4.10
const ORGANISATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// The user of a certificate in DER; `None` without a common name.
pub(crate) fn user(certificate: &[u8]) -> Option<User> {
    let subject = subject(certificate)?;
    let (mut name, mut groups) = (None, Vec::new());
    for set in Values(subject) {
        for attribute in Values(set.content(SET)?) {
            let mut parts = Values(attribute.content(SEQUENCE)?);
            let kind = parts.next()?.content(OBJECT_IDENTIFIER)?;
            let value = parts.next()?;
            if !TEXTS.contains(&value.tag) {
                continue;
            }
            let text = std::str::from_utf8(value.bytes).ok()?.to_owned();
            if kind == COMMON_NAME {
                name = Some(text);
            } else if kind == ORGANISATION {
                groups.push(text);
            }
        }
    }
    let name = name.filter(|name| !name.is_empty())?;
    Some(User::proven(&name, groups))
}

/// The names of the subject, one after the other.
fn subject(certificate: &[u8]) -> Option<&[u8]> {
    let outer = Values(certificate).next()?.content(SEQUENCE)?;
    let signed = Values(outer).next()?.content(SEQUENCE)?;
    let mut fields = Values(signed).skip_while(|field| field.tag == VERSION);
    // Serial number, signature algorithm, issuer, validity; then the subject.
    fields.nth(4)?.content(SEQUENCE)
}

/// One value of DER.
struct Found<'a> {
    tag: u8,
    bytes: &'a [u8],
}

impl<'a> Found<'a> {
    fn content(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.bytes)
    }
}

/// Values that follow each other; ends where one is cut off.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
            (length, rest)
        };
        let (bytes, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Found { tag, bytes })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::user;

    fn certificate(entries: &[(DnType, &str)]) -> Vec<u8> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in entries {
            parameters.distinguished_name.push(kind.clone(), *text);
        }
        let key = KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn name_and_group_are_those_of_the_subject() {
        let der = certificate(&[(DnType::OrganizationName, "developers"), (DnType::CommonName, "jane")]);
        let found = user(&der).unwrap();
        assert_eq!(found.name, "jane");
        assert_eq!(found.groups, ["developers", "system:authenticated"]);
        assert_eq!(user(&certificate(&[(DnType::OrganizationName, "nobody")])), None);
    }

    #[test]
    fn what_is_cut_off_names_nobody() {
        let der = certificate(&[(DnType::CommonName, "jane")]);
        for length in 0..der.len() {
            // Its signature is not looked at here, so a late cut may still show the subject.
            drop(user(&der[..length]));
        }
        assert_eq!(user(&[]), None);
        assert_eq!(user(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
