//! This process, by the names that Prometheus' own libraries use. What the kernel does not tell is left out.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

pub(super) fn register(registry: &mut Registry) {
    if let Some(Stat { cpu_seconds, start_seconds, resident_bytes }) = stat() {
        let cpu = Counter::<f64, AtomicU64>::default();
        cpu.inc_by(cpu_seconds);
        registry.register_with_unit("process_cpu", "Processor time spent", Unit::Seconds, cpu);
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(start_seconds);
        registry.register_with_unit(
            "process_start_time",
            "When the process started, since 1970",
            Unit::Seconds,
            start,
        );
        let resident = Gauge::<i64>::default();
        resident.set(resident_bytes);
        registry.register_with_unit("process_resident_memory", "Memory in use", Unit::Bytes, resident);
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        let open = Gauge::<i64>::default();
        open.set(i64::try_from(descriptors.count()).unwrap_or(i64::MAX));
        registry.register("process_open_fds", "Open file descriptors", open);
    }
}

struct Stat {
    cpu_seconds: f64,
    start_seconds: f64,
    resident_bytes: i64,
}

/// From `/proc/self/stat` (proc_pid_stat(5)), and from `/proc/stat` when the machine started.
fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u32>().ok();
    let wide = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    let ticks = f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).ok()?);
    let page = i64::try_from(rustix::param::page_size()).ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Stat {
        cpu_seconds: (f64::from(number(14)?) + f64::from(number(15)?)) / ticks,
        start_seconds: boot + wide(22)? / ticks,
        resident_bytes: i64::from(number(24)?).saturating_mul(page),
    })
}
