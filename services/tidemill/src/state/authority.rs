//! The certificate authority of a state directory: it signs the gateway's certificate at each start, and
//! whoever trusts it knows the gateway again.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use tidemill_gateway::Tls;
use tidemill_settings::Secret;

use super::{make_private, write_private};
use crate::error::Error;

/// Years a certificate is good for. The authority's key is the secret that counts; it stays on this
/// machine and can be made anew by removing the folder.
const YEARS: i16 = 20;
/// A certificate is good from this long before today, for clocks that are behind.
const DAYS_BEFORE: i64 = 2;
/// What comes before the secret bytes of a key in PKCS 8.
const ED25519: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// From when to when an authority is good that everybody must make alike.
const FIRST_DAY: Date = jiff::civil::date(2026, 1, 1);
const LAST_DAY: Date = jiff::civil::date(2126, 1, 1);
/// Name of the authority in its certificate.
const NAME: &str = "tidemill";

/// An authority, ready to sign.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// The authority in this folder (`ca.crt`, `ca.key`), made on first use.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Usage`] for a key that is none.
    pub(crate) fn open(folder: &Path, today: Date) -> Result<Self, Error> {
        make_private(folder)?;
        let (certificate, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        match (read(&certificate)?, read(&key)?) {
            (Some(certificate), Some(key_text)) => Self::again(certificate, &key_text, &key, today),
            _ => {
                let made = Self::make(today)?;
                // The key first: a certificate whose key is missing is made anew with it.
                write_private(&key, &pem("PRIVATE KEY", made.issuer.key().serialized_der()))?;
                write_private(&certificate, &made.certificate)?;
                Ok(made)
            }
        }
    }

    /// The authority that everybody derives who has the same 32 secret bytes, so that the certificates of several
    /// servers are believed by one.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(crate) fn of_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        let key = KeyPair::try_from([ED25519, seed].concat()).map_err(failed)?;
        let mut parameters = authority(FIRST_DAY);
        limit(&mut parameters, FIRST_DAY, LAST_DAY);
        let issuer = CertifiedIssuer::self_signed(parameters, key).map_err(failed)?;
        let certificate = pem("CERTIFICATE", issuer.der());
        Ok(Self { issuer, certificate })
    }

    /// Its certificate in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a server on this machine that listens on `address` and is known as `hosts`.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(crate) fn server(&self, address: IpAddr, hosts: &[String], today: Date) -> Result<Tls, Error> {
        let mut names = vec!["localhost".to_owned()];
        names.extend(hosts.iter().cloned());
        let mut parameters = parameters("tidemill-gateway", today);
        for name in names {
            if let Ok(name) = name.try_into() {
                parameters.subject_alt_names.push(SanType::DnsName(name));
            }
        }
        for address in [
            [127, 0, 0, 1].into(),
            IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]),
            address,
        ] {
            parameters.subject_alt_names.push(SanType::IpAddress(address));
        }
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (certificate, key) = self.sign(parameters)?;
        Ok(Tls {
            certificates: pem("CERTIFICATE", certificate.der()),
            key: Secret::new(pem("PRIVATE KEY", key.serialized_der())),
            client_authorities: self.certificate.clone(),
            proxy_authorities: String::new(),
            authority: self.certificate.clone(),
        })
    }

    /// A client certificate that names a user and a group, and its key; both in PEM.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(crate) fn client(
        &self,
        user: &str,
        group: Option<&str>,
        days: u16,
        today: Date,
    ) -> Result<(String, String), Error> {
        let mut parameters = parameters(user, today);
        if let Some(group) = group {
            parameters.distinguished_name.push(DnType::OrganizationName, group);
        }
        let until = today
            .checked_add(jiff::Span::new().days(i64::from(days)))
            .unwrap_or(today);
        limit(&mut parameters, today, until);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.sign(parameters)?;
        Ok((
            pem("CERTIFICATE", certificate.der()),
            pem("PRIVATE KEY", key.serialized_der()),
        ))
    }

    fn sign(&self, mut parameters: CertificateParams) -> Result<(Certificate, KeyPair), Error> {
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok((certificate, key))
    }

    fn make(today: Date) -> Result<Self, Error> {
        let issuer = CertifiedIssuer::self_signed(authority(today), KeyPair::generate().map_err(failed)?);
        let issuer = issuer.map_err(failed)?;
        let certificate = pem("CERTIFICATE", issuer.der());
        Ok(Self { issuer, certificate })
    }

    /// The authority whose certificate and key were kept. Only key and name count for what it signs.
    fn again(certificate: String, key: &str, path: &Path, today: Date) -> Result<Self, Error> {
        let wrong = || {
            Error::usage_hint(
                format!("{} holds no key of a certificate authority", path.display()),
                "remove the folder it lies in: the next start makes a new authority and kubeconfig",
            )
        };
        let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = STANDARD.decode(body).map_err(|_| wrong())?;
        let key = KeyPair::try_from(key).map_err(|_| wrong())?;
        let issuer = CertifiedIssuer::self_signed(authority(today), key).map_err(failed)?;
        Ok(Self { issuer, certificate })
    }
}

/// Where the authority of a state directory lies.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("tls")
}

fn authority(today: Date) -> CertificateParams {
    let mut parameters = parameters(NAME, today);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    parameters
}

fn parameters(name: &str, today: Date) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    // The first of a month is a day of every year.
    let until = jiff::civil::date(today.year() + YEARS, today.month(), 1);
    limit(&mut parameters, today, until);
    parameters
}

/// Good until that day.
fn limit(parameters: &mut CertificateParams, today: Date, until: Date) {
    let day = |date: Date| {
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    let from = today.checked_sub(jiff::Span::new().days(DAYS_BEFORE));
    parameters.not_before = day(from.unwrap_or(today));
    parameters.not_after = day(until);
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("read {}", path.display()))(error)),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn failed(source: rcgen::Error) -> Error {
    Error::internal("make a certificate", source)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Authority;

    #[test]
    fn who_has_the_same_bytes_has_the_same_authority() {
        let authority = |seed: u8| Authority::of_seed(&[seed; 32]).unwrap().certificate().to_owned();
        assert_eq!(authority(1), authority(1));
        assert_ne!(authority(1), authority(2));
    }

    #[test]
    fn an_authority_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tls");
        let today = jiff::civil::date(2026, 2, 28);
        let first = Authority::open(&folder, today).unwrap();
        let again = Authority::open(&folder, today).unwrap();
        assert_eq!(first.certificate(), again.certificate());
        let mode = folder.join("ca.key").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        std::fs::remove_file(folder.join("ca.crt")).unwrap();
        assert_ne!(
            Authority::open(&folder, today).unwrap().certificate(),
            first.certificate()
        );
        std::fs::write(folder.join("ca.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
        let error = Authority::open(&folder, today).err().unwrap().render();
        assert!(
            error.contains("ca.key") && error.contains("remove the folder"),
            "{error}"
        );
    }
}
