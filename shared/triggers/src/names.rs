//! Labels and annotations.

/// Label: name of the EventListener an object was made by.
pub const LABEL_LISTENER: &str = "triggers.tekton.dev/eventlistener";
/// Label: name of the trigger an object was made by.
pub const LABEL_TRIGGER: &str = "triggers.tekton.dev/trigger";
/// Label: id of the event; Tekton's documentation names another key than its code writes.
pub const LABEL_EVENT_ID: &str = "triggers.tekton.dev/triggers-eventid";

/// Annotation of an EventListener: `false` takes bodies that are no JSON objects.
pub const ANNOTATION_PAYLOAD_VALIDATION: &str = "tekton.dev/payload-validation";
/// Annotation of a TriggerTemplate: `true` escapes quotes in values, as old releases did.
pub const ANNOTATION_OLD_ESCAPE_QUOTES: &str = "triggers.tekton.dev/old-escape-quotes";

/// Annotation of a made object: key of the event it was made for.
pub const ANNOTATION_EVENT: &str = "tidemill.dev/event";
/// Annotation of a made object: `<namespace>/<trigger>/<index>` it was made by.
pub const ANNOTATION_MADE_BY: &str = "tidemill.dev/trigger";
/// Annotation of an EventListener: the times at which it fires, five fields as cron has them.
pub const ANNOTATION_SCHEDULE: &str = "tidemill.dev/schedule";
/// Annotation of an EventListener: time zone of its schedule, such as `Europe/Berlin`; default UTC.
pub const ANNOTATION_TIME_ZONE: &str = "tidemill.dev/time-zone";
/// Annotation of an EventListener: `skip`, `latest` or `all` of the runs missed while nothing ran.
pub const ANNOTATION_MISSED: &str = "tidemill.dev/missed";
/// Annotation of an EventListener: a subject such as `release.>` that feeds it beside HTTP.
pub const ANNOTATION_SUBJECT: &str = "tidemill.dev/subject";

/// Longest name of an EventListener: its Service is called `el-<name>`.
pub const LISTENER_NAME_MAX: usize = 60;
