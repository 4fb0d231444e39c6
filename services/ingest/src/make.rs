//! Making what was decided, each object once.

use std::collections::BTreeMap;

use serde_json::Value;
use tidemill_messages::event::{Made, Verdict};
use tidemill_objects::{Key, WriteOptions};
use tidemill_resources::{Kind, Object};
use tidemill_triggers::Making;

use crate::Error;
use crate::app::App;

/// Names that are tried for one object when others have them.
const NAMES_MAX: u32 = 8;

/// Makes the objects of all triggers. The first that cannot be made ends its trigger, and is said;
/// only what may pass by itself is an error.
pub(crate) async fn make(app: &App, event_key: &str, verdicts: &mut [Verdict]) -> Result<(), Error> {
    let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
    for verdict in verdicts {
        let name = verdict.trigger.clone();
        let count = seen.entry((verdict.namespace.clone(), name.clone())).or_default();
        *count += 1;
        // A trigger may be selected twice, and those of a listener need no names.
        let trigger = match *count {
            1 => name,
            count => format!("{name}#{count}"),
        };
        for (index, template) in std::mem::take(&mut verdict.objects).into_iter().enumerate() {
            let making = Making {
                event_key,
                namespace: &verdict.namespace,
                trigger: &trigger,
                index,
            };
            match one(app, &making, &template).await? {
                Ok(made) => verdict.made.push(made),
                Err(why) => {
                    verdict.error = why;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// One object of one trigger; `Ok(Err)` says why it can never be made.
async fn one(app: &App, making: &Making<'_>, template: &Value) -> Result<Result<Made, String>, Error> {
    let text = |field: &str| template["metadata"][field].as_str().unwrap_or_default();
    let is_named = !text("name").is_empty();
    if !is_named && text("generateName").is_empty() {
        return Ok(Err("an object has neither name nor generateName".to_owned()));
    }
    for attempt in 0..NAMES_MAX {
        let Some(marked) = making.mark(template.clone(), attempt) else {
            return Ok(Err("an object has no usable metadata".to_owned()));
        };
        match app.objects.create_with(marked.clone(), WriteOptions::default()).await {
            Ok(written) => {
                app.written()?;
                return Ok(Ok(made(&written.object)));
            }
            Err(tidemill_objects::Error::AlreadyExists { resource, name }) => match existing(app, &marked).await? {
                Some(object) if making.made(&object.metadata) => return Ok(Ok(made(&object))),
                _ if is_named => return Ok(Err(format!("{resource} \"{name}\" already exists"))),
                _ => {}
            },
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Err(format!("all {NAMES_MAX} names of an object are taken")))
}

/// The object that has the name already.
async fn existing(app: &App, marked: &Value) -> Result<Option<Object>, Error> {
    let text = |pointer: &str| marked.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let Some(kind) = Kind::of(text("/apiVersion"), text("/kind")) else {
        return Ok(None);
    };
    let key = Key::new(kind, text("/metadata/namespace"), text("/metadata/name"));
    Ok(app.objects.get(&key).await?)
}

fn made(object: &Object) -> Made {
    Made {
        kind: object.kind.clone(),
        namespace: object.namespace().to_owned(),
        name: object.name().to_owned(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
    }
}
