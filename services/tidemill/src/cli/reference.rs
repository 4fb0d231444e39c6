//! The page of all commands, made of their help.

use clap::Command;

const INTRODUCTION: &str = "# The command line

`tidemill` is a client of the gateway, as `kubectl` and `tkn` are: it has no other way to the objects.
`tidemill up` and `tidemill run` can also be the server.

- **Which server.** The one that runs with the state directory (`--state-dir`, `TIDEMILL_STATE_DIR`), or
  the one of `--kubeconfig`. `tidemill run` without a server brings one up for the run, in the same
  directory, so that its history stays.
- **Output.** Data goes to standard output, all else to standard error. Without a terminal there is no
  colour and no cursor movement, but one line an event. `NO_COLOR` and `--color never` end colour;
  signs are ASCII where the locale is not UTF-8.
- **Exit codes.** 0: done, and for `run` that the run succeeded. 1: it failed. 64: the command line, a
  setting or the set-up is wrong. 130: ended by Ctrl-C.
- **Ctrl-C.** `run`: once cancels the run and waits for its end, twice leaves at once. `up`: once lets
  the runner finish, twice stops. Steps that still run go on in their sandboxes; the next server on the
  same state directory takes them over.
- **nats-server.** `up` starts one of its own: the program beside `tidemill`, else on `PATH`, else the
  pinned one in the cache, 2.14 or later. It listens on loopback, asks for a password, encrypts its
  store, syncs every write, and is started again when it dies. `--nats` uses another one instead.
- **Settings.** `tidemill.toml` in the state directory (or `--settings`), one table a service, below the
  variables `TIDEMILL_<SERVICE>_<KEY>`. `streams.store` bounds what all streams may hold. `TIDEMILL_LOG` filters the log, such as
  `info,tidemill_planner=debug`.

What follows is the help of each command; a test keeps it current.
";

/// The whole page.
pub(super) fn page(mut root: Command) -> String {
    let mut page = INTRODUCTION.to_owned();
    root.build();
    for command in root.get_subcommands_mut() {
        // Flags of every command are told once, at the end.
        let mut command = command.clone().mut_args(|arg| {
            if arg.is_global_set() || arg.get_id() == "help" {
                arg.hide(true)
            } else {
                arg
            }
        });
        let help = command.render_long_help().to_string();
        page.push_str(&format!(
            "\n## {}\n\n```text\n{}\n```\n",
            command.get_name(),
            trimmed(&help)
        ));
    }
    let global = root
        .mut_subcommands(|command| command.hide(true))
        .render_long_help()
        .to_string();
    let options = global.split_once("Global options:").map_or("", |(_, options)| options);
    page.push_str(&format!(
        "\n## Global options\n\n```text\n{}\n```\n",
        trimmed(options).trim_start_matches('\n')
    ));
    page
}

fn trimmed(help: &str) -> String {
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}
