//! The states of a video, as a pure function.

db::text_enum! {
    /// Where a video is in its life.
    pub enum VideoState {
        /// The source is complete; nothing was decided yet.
        Uploaded = "uploaded",
        /// There is a plan, and its objects are being made.
        Processing = "processing",
        /// It plays.
        Ready = "ready",
        /// It will not play; the reason is recorded.
        Failed = "failed",
        /// It is on its way out. Nobody sees it any more.
        Deleting = "deleting",
    }
}

db::text_enum! {
    /// What happens to a video.
    pub enum VideoEvent {
        /// The plan was recorded.
        Planned = "planned",
        /// Every planned object is recorded, and the manifests are written.
        Published = "published",
        /// It was rejected, or a job of it is dead.
        Failed = "failed",
        /// Its owner wants another try.
        Retried = "retried",
        /// Its media are to be made again.
        RemakeRequested = "made again",
        /// Somebody wants it gone.
        DeleteRequested = "delete requested",
    }
}

/// An event that a state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a video that is `{state}` cannot be `{event}`")]
pub struct Refused {
    /// The state the video is in.
    pub state: VideoState,
    /// What was to happen.
    pub event: VideoEvent,
}

impl VideoState {
    /// The state after `event`.
    ///
    /// # Errors
    /// [`Refused`] when this state does not allow it.
    pub fn after(self, event: VideoEvent) -> Result<Self, Refused> {
        match (self, event) {
            (Self::Uploaded, VideoEvent::Planned) => Ok(Self::Processing),
            (Self::Processing, VideoEvent::Published) => Ok(Self::Ready),
            (Self::Uploaded | Self::Processing, VideoEvent::Failed) => Ok(Self::Failed),
            (Self::Failed, VideoEvent::Retried) => Ok(Self::Uploaded),
            // It plays until the new one takes its place.
            (Self::Ready, VideoEvent::RemakeRequested) => Ok(Self::Ready),
            (Self::Uploaded | Self::Processing | Self::Ready | Self::Failed, VideoEvent::DeleteRequested) => {
                Ok(Self::Deleting)
            }
            (state, event) => Err(Refused { state, event }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{VideoEvent, VideoState};

    proptest! {
        #[test]
        fn no_history_leaves_deleting_or_skips_the_plan(
            events in prop::collection::vec(prop::sample::select(VideoEvent::ALL), 0..40),
        ) {
            let mut state = VideoState::Uploaded;
            let mut planned = false;
            for event in events {
                let Ok(next) = state.after(event) else { continue };
                prop_assert_ne!(state, VideoState::Deleting);
                prop_assert_eq!(next == state, event == VideoEvent::RemakeRequested);
                match event {
                    VideoEvent::Planned => planned = true,
                    VideoEvent::Retried => planned = false,
                    VideoEvent::Published => prop_assert!(planned),
                    VideoEvent::Failed | VideoEvent::RemakeRequested | VideoEvent::DeleteRequested => {}
                }
                state = next;
            }
        }
    }

    #[test]
    fn every_state_but_deleting_can_be_deleted() {
        for state in VideoState::ALL {
            let deleted = state.after(VideoEvent::DeleteRequested);
            assert_eq!(deleted.is_ok(), *state != VideoState::Deleting);
        }
    }
}
