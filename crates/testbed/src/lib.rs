//! Real servers for tests, started on free loopback ports in folders of their own.
//!
//! For `dev-dependencies` only: this is the one crate beside `transcode` that starts processes, and it is a crate
//! so that no program can reach it. It knows no table and no driver; it hands out addresses.
//!
//! One PostgreSQL server serves all tests of a run, and one S3 server a whole test process; every test gets a database and
//! a bucket's prefix of its own in them. The servers end with the run and the process, however these end: a shell holds one
//! end of a pipe, and when the other end closes it stops the server and removes its folder. A test that wants to see a
//! server die starts its own.
//!
//! Of services that nobody can install here, of vendors of licences, there are stubs, written from specifications.

mod fault_proxy;
mod forwarder;
mod http;
mod keeper;
mod licence_server;
mod mailbox;
mod nginx;
mod peer;
mod pg_server;
mod ports;
mod postgres;
mod rabbitmq;
mod s3;
mod speke;

use std::net::SocketAddr;

use postgres::Temporary;
use tempfile::TempDir;

pub use fault_proxy::{Fault, FaultProxy};
pub use forwarder::Forwarder;
pub use http::{HttpRequest, StubReply};
pub use licence_server::LicenceServer;
pub use mailbox::Mailbox;
pub use nginx::Nginx;
pub use peer::{Peer, peer_argument};
pub use pg_server::PgServer;
pub use postgres::find_postgres;
pub use rabbitmq::rabbitmq_port;
pub use s3::{READ_ONLY, S3Bucket, S3Server};
pub use speke::{SpekeServer, SpekeTwist};

/// An empty database for one test.
#[derive(Debug)]
pub struct Database {
    url: String,
    /// Removed with everything in it when the test ends.
    _folder: Option<TempDir>,
    /// So is this one.
    _temporary: Option<Temporary>,
}

impl Database {
    /// A fresh SQLite file.
    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("the temporary folder is writable");
        let path = folder.path().join("test.db");
        Self { url: format!("sqlite://{}", path.display()), _folder: Some(folder), _temporary: None }
    }

    /// A fresh database on this run's PostgreSQL server, which the first call starts.
    ///
    /// # Panics
    /// When no PostgreSQL is installed, or it does not start.
    pub fn postgres() -> Self {
        let database = Temporary::create();
        Self { url: database.url(), _folder: None, _temporary: Some(database) }
    }

    /// The empty database of a [`PgServer`], at the address of the server itself or of a [`Forwarder`] before it.
    pub fn behind(address: SocketAddr) -> Self {
        Self::with_its_server(format!("postgres://postgres@{address}/postgres"))
    }

    /// A fresh database on a [`PgServer`].
    pub fn on(server: &PgServer) -> Self {
        let bin = find_postgres().expect("a server runs, so it is installed");
        Self::with_its_server(postgres::create_database_at(&bin, server.address().port()))
    }

    fn with_its_server(url: String) -> Self {
        Self { url, _folder: None, _temporary: None }
    }

    /// Where the server of a PostgreSQL database listens.
    ///
    /// # Panics
    /// For SQLite.
    pub fn address(&self) -> SocketAddr {
        let (_, place) = self.url.split_once('@').expect("SQLite has no server");
        let (address, _) = place.split_once('/').expect("a database has a name");
        address.parse().expect("servers of tests listen on loopback")
    }

    /// Where it is: `sqlite://PATH` or `postgres://…`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Declares each named `async fn(Database)` of this module as two tests: `on_sqlite::name` and
/// `on_postgres::name`.
///
/// ```ignore
/// async fn answers(database: Database) { /* … */ }
///
/// testbed::on_both_databases!(answers);
/// ```
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::Database::sqlite()).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::Database::postgres()).await;
            })+
        }
    };
}
