//! Why a store did not do what it was asked, as situations that somebody can do something about.

use std::{error::Error as StdError, io, ops::Range, path::PathBuf};

use object_store::client::{HttpError, HttpErrorKind};

use super::StorageKey;

/// Why an object could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such object.
    #[error("there is no object `{key}`")]
    NotFound {
        /// The object.
        key: String,
    },
    /// More bytes came than are allowed.
    #[error("`{key}` is longer than {limit} bytes")]
    TooLong {
        /// The object.
        key: String,
        /// In bytes.
        limit: u64,
    },
    /// The store is full.
    #[error("there is no space left for `{key}`")]
    NoSpace {
        /// The object.
        key: String,
    },
    /// Bytes were asked for that the object does not have.
    #[error("`{key}` has no bytes {}..{}", range.start, range.end)]
    OutOfRange {
        /// The object.
        key: String,
        /// What was asked for.
        range: Range<u64>,
    },
    /// What is read is not what was written.
    #[error("the store did not give back what was written to `{key}`")]
    Changed {
        /// The object.
        key: String,
    },
    /// `storage.url` names no store.
    #[error("`{url}` is not a place to store objects")]
    BadUrl {
        /// As configured.
        url: String,
    },
    /// `storage.s3.*` makes no sense, or is incomplete.
    #[error("`storage.s3` cannot be used: {problem}")]
    BadSettings {
        /// What is wrong.
        problem: String,
    },
    /// A folder of a local store cannot be used.
    #[error("cannot use the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store refuses, for a reason that trying again does not mend.
    #[error("the store refuses `{key}`: {refusal}")]
    Refused {
        /// Object or prefix.
        key: String,
        /// Why.
        refusal: Refusal,
    },
    /// The store cannot be reached, or stops answering.
    #[error("the store does not answer about `{key}`")]
    Unreachable {
        /// Object or prefix.
        key: String,
        /// What was seen of it.
        source: object_store::Error,
    },
    /// What was begun could not be written down, and so was given up.
    #[error("the upload of `{key}` cannot be recorded")]
    Journal {
        /// The object.
        key: String,
        /// What the journal said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Anything else.
    #[error("the store failed on `{key}`")]
    Store {
        /// Object or prefix.
        key: String,
        /// What it said.
        source: object_store::Error,
    },
}

/// Why an S3 server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `InvalidAccessKeyId`
    #[error("it does not know the access key id")]
    UnknownKey,
    /// `SignatureDoesNotMatch`
    #[error("the secret access key is wrong")]
    WrongSecret,
    /// `RequestTimeTooSkewed`
    #[error("the clocks of the two machines differ too much")]
    ClockSkew,
    /// `NoSuchBucket`
    #[error("there is no such bucket")]
    NoBucket,
    /// A redirection, or `AuthorizationHeaderMalformed`.
    #[error("the bucket is in another region")]
    WrongRegion,
    /// `AccessDenied`
    #[error("the credentials do not allow it")]
    Denied,
}

impl BlobError {
    /// What an operator may do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::BadUrl { .. } => {
                "`storage.url` is `file://` and a folder, or `s3://`, a bucket and optionally a prefix"
            }
            Self::Refused { refusal, .. } => refusal.hint(),
            Self::Unreachable { .. } => {
                "check `storage.s3.endpoint`, that the server runs, and that nothing between blocks it"
            }
            Self::NoSpace { .. } => "make space where the objects are kept, or raise the quota there",
            Self::Folder { .. } => "make the folder writable for the user that runs `cutetube`",
            _ => return None,
        })
    }

    /// Whether the store, or the way to it, is to blame and not what was asked for.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Journal { .. } => true,
            Self::Store { source, .. } => matches!(source, object_store::Error::Generic { .. }),
            _ => false,
        }
    }

    /// Whether the connection failed in the middle, after which repeating what can be repeated may help.
    pub(super) fn is_cut(&self) -> bool {
        let (Self::Store { source, .. } | Self::Unreachable { source, .. }) = self else { return false };
        let kind = find::<HttpError>(source).map(HttpError::kind);
        matches!(
            kind,
            Some(
                HttpErrorKind::Timeout
                    | HttpErrorKind::Interrupted
                    | HttpErrorKind::Decode
                    | HttpErrorKind::Unknown
            )
        )
    }
}

impl Refusal {
    fn hint(self) -> &'static str {
        match self {
            Self::UnknownKey => "set `storage.s3.access_key_id` to a key that the server knows",
            Self::WrongSecret => {
                "set `storage.s3.secret_access_key` to the secret of `storage.s3.access_key_id`"
            }
            Self::ClockSkew => "set this machine's clock, for instance with NTP",
            Self::NoBucket => "make the bucket, or correct its name in `storage.url`",
            Self::WrongRegion => "set `storage.s3.region` to the region of the bucket",
            Self::Denied => {
                "allow GetObject, PutObject, DeleteObject, AbortMultipartUpload and ListBucket for these credentials"
            }
        }
    }

    /// From the `<Code>` of an answer (S3 API reference, "Error responses").
    fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "InvalidAccessKeyId" => Self::UnknownKey,
            "SignatureDoesNotMatch" => Self::WrongSecret,
            "RequestTimeTooSkewed" => Self::ClockSkew,
            "NoSuchBucket" => Self::NoBucket,
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
                Self::WrongRegion
            }
            "AccessDenied" | "AllAccessDisabled" => Self::Denied,
            _ => return None,
        })
    }
}

/// What an error about `key` means.
pub(super) fn failure(key: &StorageKey, error: object_store::Error) -> BlobError {
    of_place(key.to_string(), error)
}

/// The same for a prefix.
pub(super) fn of_place(key: String, error: object_store::Error) -> BlobError {
    let text = text_of(&error);
    let code =
        text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let redirected = text.contains("Received redirect without LOCATION");
    let refusal = code.and_then(Refusal::of_code).or(redirected.then_some(Refusal::WrongRegion));
    if let Some(refusal) = refusal {
        return BlobError::Refused { key, refusal };
    }
    if is_full(&error) || code.is_some_and(says_full) {
        return BlobError::NoSpace { key };
    }
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound { key },
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            BlobError::Refused { key, refusal: Refusal::Denied }
        }
        source if find::<HttpError>(&source).is_some() => BlobError::Unreachable { key, source },
        source => BlobError::Store { key, source },
    }
}

/// Codes of MinIO, Ceph, SeaweedFS and others for a full disk or quota.
fn says_full(code: &str) -> bool {
    let full =
        ["XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"];
    full.contains(&code)
}

fn is_full(error: &object_store::Error) -> bool {
    let kind = find::<io::Error>(error).map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// The first error of a type in the chain.
fn find<E: StdError + 'static>(error: &object_store::Error) -> Option<&E> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn chain(error: &object_store::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |&error| error.source())
}

fn text_of(error: &object_store::Error) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
