//! `tidemill get`: objects as the server shows them.

use clap::Args;
use serde_json::{Value, json};

use super::kind;
use crate::cli::Global;
use crate::client::{Address, Client, encode};
use crate::error::{Error, Exit};
use crate::output::{Format, items, print_object, print_table};
use crate::say;

/// Show objects, one a line
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill get pipelinerun")]
pub(crate) struct Get {
    /// Kind of the objects, such as pipelinerun or pr; several separated by commas
    kind: String,
    /// Names; without any, all objects of the kind
    names: Vec<String>,
    /// How to write them
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABEL=VALUE")]
    selector: Option<String>,
    /// Objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Without the line of column names
    #[arg(long)]
    no_headers: bool,
}

impl Get {
    /// Prints the objects.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let (kinds, names) = self.asked()?;
        let client = global.client().await?;
        for (position, kind) in kinds.iter().enumerate() {
            let namespace = (!self.all_namespaces).then_some(client.namespace());
            let collection = Address::collection_of(kind, namespace);
            let addresses: Vec<Address> = names
                .iter()
                .map(|name| Address::object(kind, client.namespace(), name))
                .collect();
            let text = match self.output {
                None | Some(Format::Wide) => self.table(&client, &collection, &addresses).await?,
                Some(format) => self.objects(&client, &collection, &addresses, format).await?,
            };
            if position > 0 && !text.is_empty() {
                say::data("\n");
            }
            say::data(&text);
        }
        Ok(Exit::Success)
    }

    /// `KIND[,KIND] [NAME...]`, or `KIND/NAME`.
    fn asked(&self) -> Result<(Vec<&'static tidemill_resources::Kind>, Vec<String>), Error> {
        let (kinds, mut names) = match self.kind.split_once('/') {
            Some((kind, name)) => (kind, vec![name.to_owned()]),
            None => (self.kind.as_str(), Vec::new()),
        };
        names.extend(self.names.iter().cloned());
        let kinds = kinds.split(',').map(kind).collect::<Result<Vec<_>, _>>()?;
        if kinds.len() > 1 && !names.is_empty() {
            return Err(Error::usage("names can be given for one kind only"));
        }
        Ok((kinds, names))
    }

    async fn table(&self, client: &Client, collection: &Address, named: &[Address]) -> Result<String, Error> {
        let mut table = Value::Null;
        if named.is_empty() {
            table = client.table(collection, &self.query()).await?;
        }
        for address in named {
            let mut one = client.table(address, "").await?;
            match (table.get_mut("rows"), one.get_mut("rows")) {
                (Some(Value::Array(all)), Some(Value::Array(more))) => all.append(more),
                _ => table = one,
            }
        }
        if table.get("rows").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            self.say_empty(client, collection);
            return Ok(String::new());
        }
        let wide = self.output == Some(Format::Wide);
        Ok(print_table(&table, wide, self.all_namespaces, !self.no_headers))
    }

    async fn objects(
        &self,
        client: &Client,
        collection: &Address,
        named: &[Address],
        format: Format,
    ) -> Result<String, Error> {
        let object = match named {
            [] => client.list(collection, &self.query()).await?,
            [one] => client.get(one).await?,
            several => {
                let mut items = Vec::new();
                for address in several {
                    items.push(client.get(address).await?);
                }
                json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
            }
        };
        if format == Format::Name && items(&object).is_empty() {
            self.say_empty(client, collection);
        }
        print_object(&object, format)
    }

    fn query(&self) -> String {
        self.selector
            .as_deref()
            .map(|selector| format!("labelSelector={}", encode(selector)))
            .unwrap_or_default()
    }

    fn say_empty(&self, client: &Client, collection: &Address) {
        let kind = collection.kind();
        let place = if self.all_namespaces || !kind.namespaced {
            String::new()
        } else {
            format!(" in namespace {}", client.namespace())
        };
        say::line(&format!("no {}{place}", kind.plural));
    }
}
