//! `tidemill kubeconfig`: access for `kubectl`, `tkn` and other people.

use clap::Args;
use jiff::{Timestamp, tz::TimeZone};

use crate::cli::Global;
use crate::error::{Error, Exit};
use crate::say;

/// Print a kubeconfig for the server of this machine
///
/// Without --user it is the owner's, who may do everything. With --user it holds a client certificate
/// that the state directory's authority signs; Roles decide what that user and the group may.
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill kubeconfig --user jane --group developers > jane.kubeconfig")]
pub(crate) struct Kubeconfig {
    /// Who it is for
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group of the user
    #[arg(long, value_name = "NAME", requires = "user")]
    group: Option<String>,
    /// How long the certificate is good
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=7_300))]
    days: u16,
}

impl Kubeconfig {
    /// Prints it.
    pub(crate) fn run(self, global: &Global) -> Result<Exit, Error> {
        let state = global.state()?;
        let Some(up) = state.running() else {
            return Err(Error::NotRunning {
                state_dir: state.path().to_owned(),
            });
        };
        let text = match &self.user {
            None => std::fs::read_to_string(state.kubeconfig()).map_err(Error::io("read the kubeconfig"))?,
            Some(user) => {
                let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
                let authority = state.authority(today)?;
                let (certificate, key) = authority.client(user, self.group.as_deref(), self.days, today)?;
                crate::state::client_kubeconfig(&up.address, authority.certificate(), user, &certificate, &key)
            }
        };
        say::data(&text);
        Ok(Exit::Success)
    }
}
