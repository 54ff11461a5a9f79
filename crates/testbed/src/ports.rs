//! Ports for servers, those included that are stopped and started again.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that the kernel gives to connections: a server that is down finds its own free when it is back.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// As many as SeaweedFS takes: master, volumes, filer and gateway, each with one for gRPC.
const APART: u16 = 8;

/// The first of eight ports in a row that are free now, and that nobody else in this process is given.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let places = (RANGE.end - RANGE.start) / APART;
    // Test processes begin in different places.
    let own = u16::try_from(std::process::id() % u32::from(places)).expect("a remainder of 16 bits");
    (0..places)
        .map(|_| RANGE.start + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % places * APART)
        .find(|first| (*first..first + APART).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .expect("some ports are free")
}
