//! From the runner's word to the first step.

use std::time::Instant;

use jiff::Timestamp;
use tidemill_messages::report::ReportBody;
use tidemill_messages::sandbox::{Container, Probe};

use super::running::{Copied, Running};
use super::{Attempt, Phase, working_directory};
use crate::contain::{Identity, Launch, Word};
use crate::error::Error;
use crate::sandbox::contained::Contained;
use crate::sandbox::log::Log;

impl Attempt {
    /// Lets the sidecars go, and the first step once they are ready. Says it a second time in vain.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Waiting {
            return Ok(());
        }
        self.phase = Phase::Sidecars;
        let steps = self.sandbox.steps.len();
        for position in steps..steps + self.sandbox.sidecars.len() {
            let Some(contained) = self.take_built(position) else {
                continue;
            };
            let sidecar = &self.sandbox.sidecars[position - steps];
            let argv = self.layout.argv(position, &sidecar.container)?;
            let probes = sidecar.probes.clone();
            let launch = self.launch_of(&sidecar.container, argv, probes);
            let running = self.launch(position, contained, launch, Copied::new())?;
            self.sidecars.push(running);
        }
        self.go_on_if_ready()
    }

    /// The first step, if no sidecar holds it back.
    pub(super) fn go_on_if_ready(&mut self) -> Result<(), Error> {
        let waits = self
            .sidecars
            .iter()
            .any(|sidecar| !sidecar.ready && sidecar.code.is_none());
        if self.phase == Phase::Sidecars && !waits {
            return self.next_step(0);
        }
        Ok(())
    }

    /// Hears which sidecars are ready.
    pub(super) fn hear_sidecars(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Sidecars {
            return Ok(());
        }
        for sidecar in self.sidecars.iter_mut().filter(|sidecar| !sidecar.ready) {
            if has_spoken(&sidecar.contained) {
                sidecar.ready = matches!(sidecar.contained.hear(), Some(Word::Ready));
            }
        }
        self.go_on_if_ready()
    }

    /// The container that was built ahead; others built for this position would be no use.
    pub(super) fn take_built(&mut self, position: usize) -> Option<Contained> {
        let index = self.built.iter().position(|(at, _)| *at == position)?;
        Some(self.built.swap_remove(index).1)
    }

    /// How to run a container's program, with the variables every container gets.
    pub(super) fn launch_of(&self, container: &Container, argv: Vec<String>, probes: Vec<Probe>) -> Launch {
        let host = &self.sandbox.environment;
        Launch {
            argv,
            environment: host.iter().chain(&container.environment).cloned().collect(),
            working_directory: working_directory(container),
            user: container.user,
            group: container.group,
            probes,
            is_image: self.identity == Identity::Container,
        }
    }

    /// Launches a container's program and reports it. Without `copied` pipes there are no copies.
    pub(super) fn launch(
        &mut self,
        position: usize,
        mut contained: Contained,
        launch: Launch,
        copied: Copied,
    ) -> Result<Running, Error> {
        let mut launch = launch;
        if self.identity != Identity::Full {
            // Nobody but root can be somebody else; like the image, the wish is set aside.
            (launch.user, launch.group) = (None, None);
        }
        let started_at = Timestamp::now();
        contained.launch(launch)?;
        let mut pipes = copied;
        pipes.extend(contained.take_pipes().into_iter().map(|pipe| (pipe, Vec::new())));
        let container = self.container(position).name.clone();
        self.outbox
            .add(started_at, ReportBody::ContainerStarted { container })?;
        Ok(Running {
            position,
            log: Log::new(pipes, &self.masks),
            contained,
            started_at,
            ready: false,
            code: None,
        })
    }
}

fn has_spoken(contained: &Contained) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut files = [PollFd::new(contained.voice(), PollFlags::POLLIN)];
    poll(&mut files, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

/// Milliseconds from now.
pub(super) fn after_ms(milliseconds: u64) -> Instant {
    Instant::now() + std::time::Duration::from_millis(milliseconds)
}
