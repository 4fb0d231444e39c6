//! The run ends.

use tidemill_resources::meta::ConditionStatus;
use tidemill_resources::names::ANNOTATION_AUTO_CLEANUP_PVC;
use tidemill_resources::pipeline_run::PipelineRunResult;

use super::turn::Turn;
use crate::decision::{Change, Effect};
use crate::error::Error;

impl Turn<'_> {
    /// All tasks are over: the run is.
    pub(super) fn conclude(&mut self) -> Result<(), Error> {
        let conclusion = self.state.conclusion();
        self.over(
            conclusion.status,
            &conclusion.reason,
            conclusion.message,
            conclusion.results,
        )
    }

    pub(super) fn over(
        &mut self,
        status: ConditionStatus,
        reason: &str,
        message: String,
        results: Vec<PipelineRunResult>,
    ) -> Result<(), Error> {
        self.change(Change::Over {
            at: self.at,
            status,
            reason: reason.to_owned(),
            message,
            results,
        })?;
        let cleans_up = self
            .state
            .run()
            .is_some_and(|run| run.annotation(ANNOTATION_AUTO_CLEANUP_PVC) == Some("true"));
        if cleans_up && let Some(plan) = self.state.plan().cloned() {
            for claim in &plan.claims {
                self.effect(Effect::RemoveVolume {
                    claim: claim.name.clone(),
                });
            }
        }
        Ok(())
    }
}
