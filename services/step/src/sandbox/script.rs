//! Scripts.

/// What Tekton puts in front of a script without a first line of its own.
const PREAMBLE: &str = "#!/bin/sh\nset -e\n";

/// What is wrong with a script the kernel cannot run.
pub(crate) const NOT_RUNNABLE: &str = "cannot run the script: its first line is empty, so that the kernel does not see \
                                       the `#!` that follows; put `#!` first";

/// Where the script of the container at `position` lies, as its container sees it.
pub(crate) fn path(position: usize) -> String {
    format!("/tekton/scripts/script-{position}")
}

/// The text as it is written: untouched if it means to name its interpreter, even if it fails to.
pub(crate) fn with_preamble(text: &str) -> String {
    if text.trim().starts_with("#!") {
        text.to_owned()
    } else {
        format!("{PREAMBLE}{text}")
    }
}

/// Whether the kernel will see which interpreter to run.
pub(crate) fn is_runnable(text: &str) -> bool {
    with_preamble(text).starts_with("#!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_gets_a_preamble_unless_it_means_to_name_its_interpreter() {
        assert_eq!(with_preamble("echo $$\r\n"), "#!/bin/sh\nset -e\necho $$\r\n");
        assert_eq!(with_preamble("#!/usr/bin/env python3\n1"), "#!/usr/bin/env python3\n1");
        assert_eq!(with_preamble("\n#!/bin/sh\n"), "\n#!/bin/sh\n");
        assert!(is_runnable("echo") && is_runnable("#!/bin/sh") && !is_runnable("\n#!/bin/sh\n"));
    }
}
