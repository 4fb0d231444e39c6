//! Where nothing of ours may go: whoever writes a trigger must not reach what the machine itself can.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// Why an address is not asked.
pub(super) const FORBIDDEN: &str =
    "its address is link-local, unspecified or multicast; clouds give out credentials there";
/// Where a cloud's metadata service is in IPv6.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether nothing may be sent there.
pub(super) fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() || v6 == METADATA,
    }
}

/// Resolves names and leaves out what is forbidden: at connect time, so that no second answer of a
/// name server can slip in.
#[derive(Clone)]
pub(super) struct Resolver;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (mut allowed, mut is_left_out) = (Vec::new(), false);
            for address in found {
                match is_forbidden(address.ip()) {
                    true => is_left_out = true,
                    false => allowed.push(address),
                }
            }
            if allowed.is_empty() && is_left_out {
                return Err(std::io::Error::other(FORBIDDEN));
            }
            Ok(allowed.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_forbidden;

    #[test]
    fn what_gives_out_credentials_is_not_asked() {
        for (address, expected) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("0.0.0.0", true),
            ("::", true),
            ("224.0.0.1", true),
            ("127.0.0.1", false),
            ("10.0.0.7", false),
            ("::1", false),
            ("fd00::1", false),
        ] {
            assert_eq!(is_forbidden(address.parse().unwrap()), expected, "{address}");
        }
    }
}
