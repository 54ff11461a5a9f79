//! How many requests one client may send.

use std::{num::NonZeroU32, time::Duration};

use catalog::rates::Bucket;
use serde::{Deserialize, Serialize};

/// `rates.*`: what each kind of request costs, for each client address. `limits.rate = "off"` turns all of them off.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Metadata of a video in `/api/v3` and `/api/v4`.
    pub metadata: Rate,
    /// Uploads to `/api/v3` and `/api/v4`.
    pub upload: Rate,
    /// Uploads to `/api/v5` and from the upload page.
    pub send: Rate,
    /// Requests that go on with one.
    pub piece: Rate,
    /// Everything else that is only read, pages included; media is not counted.
    pub read: Rate,
    /// Everything else that changes something.
    pub write: Rate,
    /// Signing up, logging in, and what goes with it.
    pub sign_in: Rate,
}

/// A bucket of tokens; each request takes one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many requests may come at once; 0 sets no limit.
    pub burst: u32,
    /// How long it takes until there may be one more; 0 sets no limit.
    pub refill_ms: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            // As the original has them.
            metadata: Rate { burst: 3, refill_ms: 20_000 },
            upload: Rate { burst: 1, refill_ms: 20 * 60_000 },
            // A folder of videos at once, and then one each ten seconds.
            send: Rate { burst: 60, refill_ms: 10_000 },
            // Some GB in the shortest requests that make sense, one after the other.
            piece: Rate { burst: 1000, refill_ms: 50 },
            read: Rate { burst: 600, refill_ms: 20 },
            write: Rate { burst: 120, refill_ms: 500 },
            sign_in: Rate { burst: 30, refill_ms: 2_000 },
        }
    }
}

impl Rate {
    /// `None` for no limit.
    pub(crate) fn bucket(self) -> Option<Bucket> {
        NonZeroU32::new(self.burst)
            .and_then(|burst| Bucket::new(burst, Duration::from_millis(self.refill_ms)))
    }
}
