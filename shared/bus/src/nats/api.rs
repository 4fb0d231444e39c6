//! Calls of the JetStream API: repeatable ones are repeated until the request timeout.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::convert::RawMessage;
use super::options::jittered;
use super::outcome::{ApiError, Failure, MESSAGE_NOT_FOUND, STREAM_NOT_FOUND, missing};
use super::session::Session;
use crate::{Error, Stored};

/// The API level of nats-server 2.14, the first with everything we use.
const NEEDED_API_LEVEL: u64 = 4;
/// Between two tries of the same call, about this long.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct AccountInfo {
    api: ApiInfo,
}

#[derive(Deserialize)]
struct ApiInfo {
    #[serde(default)]
    level: u64,
}

#[derive(Deserialize)]
struct GotMessage {
    message: RawMessage,
}

/// Any answer of the API: an error, or what was asked for.
#[derive(Deserialize)]
struct MaybeError {
    error: Option<ApiError>,
}

/// Why a call of the API failed.
pub(super) enum CallError {
    Api(ApiError),
    Bus(Error),
}

impl CallError {
    /// With the codes that mean "not there" told apart.
    pub(super) fn about(self, call: &str, stream: &str) -> Error {
        match self {
            Self::Bus(error) => error,
            Self::Api(error) if error.err_code == STREAM_NOT_FOUND => missing("stream", stream),
            Self::Api(error) if error.is_passing() => Error::Unknown {
                subject: format!("{call} `{stream}`"),
                waited_ms: 0,
            },
            Self::Api(error) => error.refused(format!("{call} `{stream}`")),
        }
    }
}

impl Session {
    /// Refuses servers that lack what we need.
    pub(super) async fn check_level(&self) -> Result<(), Error> {
        let info: AccountInfo = self.call("INFO", Bytes::new()).await.map_err(|error| match error {
            CallError::Api(error) => error.refused("JetStream"),
            CallError::Bus(error) => error,
        })?;
        if info.api.level >= NEEDED_API_LEVEL {
            return Ok(());
        }
        Err(Error::Unsupported {
            found: format!("nats-server {}", self.client.server_info().version),
            needed: "nats-server 2.14 or later",
        })
    }

    /// Calls `$JS.API.<call>`, again when no answer comes, until the request timeout is over.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: &str, payload: Bytes) -> Result<T, CallError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            self.reach_by(deadline).await.map_err(CallError::Bus)?;
            let asked = self.request(format!("$JS.API.{call}"), None, payload.clone());
            let outcome = match tokio::time::timeout_at(deadline, asked).await {
                Ok(Ok(answer)) => self.parse(call, &answer.payload),
                Ok(Err(Failure::Unsendable)) => return Err(CallError::Bus(self.unknown(call))),
                Ok(Err(Failure::Nobody | Failure::Lost)) | Err(_) => Err(CallError::Bus(self.unknown(call))),
            };
            let again = match &outcome {
                Err(CallError::Api(error)) => error.is_passing(),
                Err(CallError::Bus(Error::Unknown { .. })) => true,
                _ => false,
            };
            if !again || Instant::now() + RETRY_PAUSE >= deadline {
                return outcome;
            }
            tokio::time::sleep(jittered(RETRY_PAUSE)).await;
        }
    }

    /// As [`Session::call`], where only success or failure matters.
    pub(super) async fn call_done(&self, call: &str, payload: Bytes) -> Result<(), CallError> {
        self.call::<MaybeError>(call, payload).await.map(drop)
    }

    /// `STREAM.MSG.GET`: always answered by the leader.
    pub(super) async fn get_message(
        &self,
        stream: &str,
        request: &impl serde::Serialize,
    ) -> Result<Option<Stored>, Error> {
        let call = format!("STREAM.MSG.GET.{stream}");
        match self.call::<GotMessage>(&call, super::convert::json(request)).await {
            Ok(got) => got.message.stored().map(Some).ok_or_else(|| self.garbled(&call)),
            Err(CallError::Api(error)) if error.err_code == MESSAGE_NOT_FOUND => Ok(None),
            Err(error) => Err(error.about("get from", stream)),
        }
    }

    fn parse<T: DeserializeOwned>(&self, call: &str, payload: &[u8]) -> Result<T, CallError> {
        // First the error: some answers carry their other fields beside it.
        let garbled = |_| CallError::Bus(self.garbled(call));
        let maybe: MaybeError = serde_json::from_slice(payload).map_err(garbled)?;
        match maybe.error {
            Some(error) => Err(CallError::Api(error)),
            None => serde_json::from_slice(payload).map_err(garbled),
        }
    }

    fn garbled(&self, call: &str) -> Error {
        Error::Refused {
            what: call.to_owned(),
            reason: "the server's answer has another form than 2.14's".to_owned(),
            code: 0,
        }
    }
}
