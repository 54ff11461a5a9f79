//! Everything that a soak runs on, and how each part of it is hurt.

use std::{net::SocketAddr, time::Duration};

use cutetube::{
    blobs::BlobStore,
    config::{S3, Secret},
};
use rand::{RngExt as _, rngs::StdRng};
use rustix::process::Signal;
use testbed::{Database, Forwarder, PgServer, S3Bucket, S3Server};
use tokio::{task::block_in_place, time::sleep};

use super::schedule::{Fault, Way};
use crate::{
    clip,
    platform::{Platform, Process, Role},
};

/// Longer than a lease and the look for leases that have run out.
const PAST_THE_LEASE: Duration = Duration::from_secs(26);

/// How long something is away that is killed or cut off.
const A_WHILE: Duration = Duration::from_secs(4);

/// Where videos are made while faults happen.
pub(super) struct Site {
    /// What people talk to: one of the servers behind it answers.
    front: Forwarder,
    servers: Vec<Machine>,
    workers: Vec<Machine>,
    database: Option<Cluster>,
    /// None is the data folder of the only machine.
    store: Option<Store>,
}

/// A process with a data folder of its own, and the one that takes its place.
struct Machine {
    name: String,
    role: Role,
    process: Option<Process>,
}

/// A primary and its standby behind one address.
struct Cluster {
    primary: PgServer,
    standby: PgServer,
    wire: Forwarder,
}

/// What every machine stores its objects in.
struct Store {
    server: S3Server,
    wire: Forwarder,
    bucket: S3Bucket,
}

impl Site {
    /// Two servers and three workers, each on a machine of its own, on PostgreSQL with a synchronous standby and on S3.
    pub(super) async fn many() -> (Platform, Self) {
        let primary = block_in_place(PgServer::start);
        let wire = Forwarder::start(primary.address()).await;
        let store = Store::start().await;
        let mut settings = store.settings();
        settings.extend([
            ("CUTETUBE_ACCOUNTS__SIGNING_SECRET", "the same on every machine of a site".to_owned()),
            ("CUTETUBE_WORKERS__SLOTS", "1".to_owned()),
        ]);
        let platform = Platform::with(Database::behind(wire.address()), &settings).await;
        let standby = block_in_place(|| primary.start_standby());
        let site = Self {
            front: Forwarder::start(primary.address()).await,
            servers: vec![Machine::new("server-0", Role::Web), Machine::new("server-1", Role::Web)],
            workers: (0..3).map(|number| Machine::new(&format!("worker-{number}"), Role::Worker)).collect(),
            database: Some(Cluster { primary, standby, wire }),
            store: Some(store),
        };
        site.started(platform).await
    }

    /// One process with everything in its data folder.
    pub(super) async fn one() -> (Platform, Self) {
        let platform = Platform::new(Database::sqlite()).await;
        let site = Self {
            front: Forwarder::start(([127, 0, 0, 1], 1).into()).await,
            servers: vec![Machine::new("data", Role::All)],
            workers: Vec::new(),
            database: None,
            store: None,
        };
        site.started(platform).await
    }

    async fn started(mut self, mut platform: Platform) -> (Platform, Self) {
        for machine in self.servers.iter_mut().chain(&mut self.workers) {
            machine.start(&platform).await;
        }
        self.front.point_at(self.servers[0].address());
        platform.sign_up(&self.url()).await;
        (platform, self)
    }

    /// Where people go.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.front.address())
    }

    /// A server that answers.
    pub(super) fn server(&self) -> &Process {
        self.servers[0].process()
    }

    /// What is stored.
    pub(super) async fn objects(&self, platform: &Platform) -> clip::Objects {
        match &self.store {
            Some(store) => objects_in(&store.bucket).await,
            None => clip::objects_below(&platform.data().join("blobs")),
        }
    }

    /// Hurts one part, and lets it recover.
    pub(super) async fn hurt(&mut self, platform: &Platform, fault: Fault, dice: &mut StdRng) {
        match fault {
            Fault::Worker(way) => {
                let one = dice.random_range(0..self.workers.len());
                self.workers[one].hurt(platform, way).await;
            }
            Fault::Server(way) => self.hurt_server(platform, way).await,
            Fault::Database(way) => self.hurt_database(platform, way).await,
            Fault::FailOver => {
                self.database.as_mut().expect("there is a standby").fail_over().await;
            }
            Fault::Store(way) => self.store.as_ref().expect("there is a store").hurt(way).await,
        }
    }

    /// The server in front, or the only one. People are sent to another one when it has been away for a while.
    async fn hurt_server(&mut self, platform: &Platform, way: Way) {
        let (front, others) = self.servers.split_first_mut().expect("there is a server");
        let away = async {
            sleep(A_WHILE).await;
            if let Some(other) = others.first() {
                self.front.point_at(other.address());
            }
        };
        tokio::join!(front.hurt(platform, way), away);
        self.servers.rotate_left(1);
        self.front.point_at(self.servers[0].address());
    }

    async fn hurt_database(&mut self, platform: &Platform, way: Way) {
        match &self.database {
            Some(cluster) => cluster.hurt(way).await,
            None => {
                // Somebody keeps SQLite's one lock for longer than anybody waits for it.
                let lock = platform.db.begin().await.unwrap();
                sleep(PAST_THE_LEASE).await;
                lock.rollback().await.unwrap();
            }
        }
    }

    /// Ends every process in order.
    pub(super) async fn stop(self) {
        for machine in self.workers.into_iter().chain(self.servers) {
            machine.process.expect("it runs").stop().await;
        }
    }
}

impl Machine {
    fn new(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, process: None }
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    fn address(&self) -> SocketAddr {
        self.process().url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    async fn start(&mut self, platform: &Platform) {
        self.process =
            Some(platform.start_on(self.role, clip::program(), &platform.data_of(&self.name)).await);
    }

    async fn hurt(&mut self, platform: &Platform, way: Way) {
        match way {
            Way::Stopped => {
                self.process.take().expect("it runs").stop().await;
                self.start(platform).await;
            }
            Way::Killed => {
                self.process.take().expect("it runs").kill().await;
                self.start(platform).await;
            }
            Way::Frozen => {
                self.process().signal(Signal::STOP);
                sleep(PAST_THE_LEASE).await;
                self.process().signal(Signal::CONT);
            }
            Way::CutOff | Way::Silenced => panic!("a process is not a wire"),
        }
    }
}

impl Cluster {
    async fn hurt(&self, way: Way) {
        match way {
            Way::Killed => {
                block_in_place(|| self.primary.kill());
                sleep(A_WHILE).await;
                block_in_place(|| self.primary.restart());
            }
            Way::Frozen => {
                block_in_place(|| self.primary.freeze());
                sleep(PAST_THE_LEASE).await;
                block_in_place(|| self.primary.thaw());
            }
            Way::CutOff | Way::Silenced => hurt_wire(&self.wire, way).await,
            Way::Stopped => panic!("a database is not asked"),
        }
    }

    /// The primary dies; its standby takes its address and its place, and gets a standby of its own.
    async fn fail_over(&mut self) {
        block_in_place(|| self.primary.kill());
        sleep(A_WHILE).await;
        self.wire.point_at(self.standby.address());
        let next = block_in_place(|| {
            self.standby.promote();
            self.standby.start_standby()
        });
        self.primary = std::mem::replace(&mut self.standby, next);
    }
}

impl Store {
    async fn start() -> Self {
        let server = block_in_place(S3Server::start);
        let (wire, bucket) = (Forwarder::start(server.address()).await, server.bucket());
        Self { server, wire, bucket }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        self.bucket.behind(self.wire.address()).environment().into()
    }

    async fn hurt(&self, way: Way) {
        match way {
            Way::Killed => {
                block_in_place(|| self.server.kill());
                sleep(A_WHILE).await;
                block_in_place(|| self.server.restart());
            }
            Way::Frozen => {
                block_in_place(|| self.server.freeze());
                sleep(PAST_THE_LEASE).await;
                block_in_place(|| self.server.thaw());
            }
            Way::CutOff | Way::Silenced => hurt_wire(&self.wire, way).await,
            Way::Stopped => panic!("a store is not asked"),
        }
    }
}

async fn hurt_wire(wire: &Forwarder, way: Way) {
    if way == Way::CutOff {
        wire.cut();
        sleep(A_WHILE).await;
    } else {
        wire.stall();
        sleep(PAST_THE_LEASE).await;
    }
    wire.mend();
}

/// Every object is read: what a store says about it is not what it gives.
async fn objects_in(bucket: &S3Bucket) -> clip::Objects {
    let settings = S3 {
        endpoint: Some(bucket.endpoint.clone()),
        access_key_id: Some(bucket.access_key_id.to_owned()),
        secret_access_key: Some(Secret::new(bucket.secret_access_key.to_owned())),
        ..S3::default()
    };
    let store = BlobStore::open(&bucket.url, &settings).unwrap();
    let mut objects = clip::Objects::new();
    for name in store.list().await.unwrap() {
        let bytes = store.get(&name.parse().unwrap()).await.unwrap();
        objects.insert(name, clip::fingerprint(&bytes));
    }
    objects
}
