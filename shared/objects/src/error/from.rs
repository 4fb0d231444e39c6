//! What the store says, in the words of the objects; its own words stay inside.

use tidemill_bus::blob;

use super::Error;

impl From<tidemill_bus::Error> for Error {
    fn from(error: tidemill_bus::Error) -> Self {
        use tidemill_bus::Error as Bus;
        match error {
            Bus::Full { .. } => Self::TooManyRequests {
                message: "the stream of objects is full: delete objects or raise its limit".to_owned(),
                retry_after_s: 5,
            },
            Bus::Unknown { .. } | Bus::Disconnected { .. } | Bus::Missing { .. } => Self::Unavailable {
                message: "the store does not answer".to_owned(),
                source: Some(error.into()),
            },
            _ => Self::Internal {
                message: "the store refused the call".to_owned(),
                source: Some(error.into()),
            },
        }
    }
}

impl From<blob::Error> for Error {
    fn from(error: blob::Error) -> Self {
        match error {
            blob::Error::Bus { source, .. } => source.into(),
            // Overwritten and swept since it was named: read again.
            blob::Error::Missing { .. } => Self::Unavailable {
                message: "the store has lost a part of the object".to_owned(),
                source: Some(error.into()),
            },
            blob::Error::Corrupt { .. } | blob::Error::TooLarge { .. } => Self::Internal {
                message: "the store cannot hold the object".to_owned(),
                source: Some(error.into()),
            },
        }
    }
}
