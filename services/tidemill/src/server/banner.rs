//! The lines of `tidemill up`.

use std::path::Path;

use crate::output::Palette;

/// What they say.
pub(super) struct Banner<'a> {
    pub(super) address: &'a str,
    /// Where webhooks are sent to.
    pub(super) webhooks: &'a str,
    pub(super) kubeconfig: &'a Path,
    /// Backends that were found.
    pub(super) backends: &'a str,
    /// Why others were not.
    pub(super) missing: &'a str,
    /// Whose releases are watched; no line where there is no cluster.
    pub(super) deployer: Option<&'a str>,
    pub(super) state: &'a Path,
    pub(super) nats: &'a str,
}

impl Banner<'_> {
    pub(super) fn text(&self, palette: Palette) -> String {
        let deployer = self.deployer.map(|watched| ("deployer", watched.to_owned()));
        let lines = [
            ("address", self.address.to_owned()),
            ("webhooks", self.webhooks.to_owned()),
            ("kubeconfig", self.kubeconfig.display().to_string()),
            ("backends", format!("{} ({})", self.backends, self.missing)),
        ];
        let more = [
            ("state", format!("{}, {}", self.state.display(), self.nats)),
            ("stop", "Ctrl-C once drains, twice stops at once".to_owned()),
        ];
        let line =
            |(word, text): (&str, String)| format!(" {}{}  {text}\n", palette.bold(word), " ".repeat(10 - word.len()));
        lines.into_iter().chain(deployer).chain(more).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Banner;
    use crate::output::Palette;

    #[test]
    fn there_is_a_line_for_each_thing() {
        let mut banner = Banner {
            address: "https://127.0.0.1:7117",
            webhooks: "http://127.0.0.1:7781/<namespace>/<listener>",
            kubeconfig: Path::new("/s/kubeconfig"),
            backends: "process",
            missing: "docker: no daemon",
            deployer: None,
            state: Path::new("/s"),
            nats: "nats-server 2.15.2 (private, port 4250)",
        };
        assert_eq!(
            banner.text(Palette::PLAIN),
            " address     https://127.0.0.1:7117
 webhooks    http://127.0.0.1:7781/<namespace>/<listener>
 kubeconfig  /s/kubeconfig
 backends    process (docker: no daemon)
 state       /s, nats-server 2.15.2 (private, port 4250)
 stop        Ctrl-C once drains, twice stops at once
"
        );
        banner.deployer = Some("releases in kube-ops of https://10.0.0.1:6443");
        let text = banner.text(Palette::PLAIN);
        assert!(
            text.contains("\n deployer    releases in kube-ops of https://10.0.0.1:6443\n state "),
            "{text}"
        );
    }
}
