//! Who this runner is: its id, which life of it, where it is.

use std::path::Path;

use crate::Settings;

/// A runner, as claims and leases name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: String,
    /// A new UUID at each start.
    pub(crate) incarnation: String,
    /// Whose attempts it can adopt: those of runners in the same place.
    pub(crate) place: String,
    /// Which boot of the machine.
    pub(crate) boot_id: String,
}

impl Identity {
    /// The settings' id and place, else the host's name and the state directory on it.
    pub(crate) fn of(settings: &Settings) -> Self {
        let host = host_name();
        let filled = |text: &str, else_: String| if text.is_empty() { else_ } else { text.to_owned() };
        Self {
            id: filled(&settings.id, host.clone()),
            incarnation: uuid::Uuid::new_v4().to_string(),
            place: filled(&settings.place, format!("{host}:{}", settings.state_dir.display())),
            boot_id: boot_id(),
        }
    }

    /// `<id>/<incarnation>`, the header of claims.
    pub(crate) fn header(&self) -> String {
        format!("{}/{}", self.id, self.incarnation)
    }
}

/// Which boot of this machine it is.
pub(crate) fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

fn host_name() -> String {
    let name = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    match name.trim() {
        "" => "runner".to_owned(),
        name => name.to_owned(),
    }
}
