//! Which crate may depend on which: the walls of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;

/// The arrows between the crates, at run time. Programs around them (`bench`, `xtask`) may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("isobmff", &[]),
    ("packager", &["isobmff"]),
    ("transcode", &["isobmff"]),
    ("db", &[]),
    ("jobs", &["db"]),
    ("catalog", &["db", "jobs"]),
    ("cutetube", &["isobmff", "packager", "transcode", "db", "jobs", "catalog"]),
];

/// Crates that only compute, and what would let them do more, however far down it is pulled in.
const PURE: &[&str] = &["isobmff", "packager"];
const IMPURE: &[&str] = &[
    "axum",
    "getrandom",
    "hyper",
    "libc",
    "mio",
    "nix",
    "object_store",
    "rand",
    "reqwest",
    "rustix",
    "socket2",
    "sqlx",
    "tempfile",
    "tokio",
];

/// Crates that are not looked below: what they pull in, they use for one thing that is no I/O.
/// `cpufeatures` asks which instructions the processor has (AES), on ARM through `libc`.
const LEAVES: &[&str] = &["cpufeatures"];

/// A crate from outside that belongs to one of ours.
const OWNED: &[(&str, &[&str])] = &[
    ("sqlx", &["db"]),
    ("axum", &["cutetube"]),
    ("tower-http", &["cutetube"]),
    ("object_store", &["cutetube"]),
    ("landlock", &["transcode"]),
    ("seccompiler", &["transcode"]),
];

pub(super) fn check(metadata: &Value) -> Vec<Finding> {
    let graph = Graph::from(metadata);
    let mut findings = Vec::new();
    for (name, dependencies) in &graph.direct {
        arrows(name, dependencies, &graph, &mut findings);
        owned(name, dependencies, &mut findings);
    }
    for name in PURE {
        for below in graph.below(name).iter().filter(|below| IMPURE.contains(&below.as_str())) {
            findings.push(finding(name, format!("`{name}` only computes, and may not pull in `{below}`")));
        }
    }
    findings
}

fn arrows(name: &str, dependencies: &BTreeSet<String>, graph: &Graph, findings: &mut Vec<Finding>) {
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else { return };
    for to in dependencies.iter().filter(|to| graph.direct.contains_key(*to)) {
        if !allowed.contains(&to.as_str()) {
            let rule =
                format!("`{name}` may not depend on `{to}`: a new arrow needs a page in docs/decisions/");
            findings.push(finding(name, rule));
        }
    }
}

fn owned(name: &str, dependencies: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    for (outside, owners) in OWNED {
        if dependencies.contains(*outside) && !owners.contains(&name) {
            findings.push(finding(name, format!("`{outside}` is used by `{}` only", owners.join("`, `"))));
        }
    }
}

fn finding(name: &str, rule: String) -> Finding {
    Finding::new(&format!("crates/{name}/Cargo.toml"), 0, rule)
}

/// Run-time dependencies, without those of tests and build scripts.
struct Graph {
    /// Workspace member → names it depends on.
    direct: BTreeMap<String, BTreeSet<String>>,
    /// Package id → its name and the ids it depends on, over the whole graph.
    resolved: BTreeMap<String, (String, Vec<String>)>,
}

impl Graph {
    fn from(metadata: &Value) -> Self {
        let names: BTreeMap<&str, &str> = array(&metadata["packages"])
            .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
            .collect();
        let members: BTreeSet<&str> =
            array(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
        let mut resolved = BTreeMap::new();
        let mut direct = BTreeMap::new();
        for node in array(&metadata["resolve"]["nodes"]) {
            let Some((id, name)) = node["id"].as_str().and_then(|id| Some((id, *names.get(id)?))) else {
                continue;
            };
            let below: Vec<String> = array(&node["deps"])
                .filter(|dependency| array(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()))
                .filter_map(|dependency| dependency["pkg"].as_str().map(str::to_owned))
                .collect();
            if members.contains(id) {
                let below = below.iter().filter_map(|id| names.get(id.as_str()));
                direct.insert(name.to_owned(), below.map(|name| (*name).to_owned()).collect());
            }
            resolved.insert(id.to_owned(), (name.to_owned(), below));
        }
        Self { direct, resolved }
    }

    /// Names of everything below the package called `name`.
    fn below(&self, name: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> =
            self.resolved.values().filter(|(found, _)| found == name).flat_map(|(_, below)| below).collect();
        while let Some(id) = open.pop() {
            if let Some((name, below)) = self.resolved.get(id).filter(|_| seen.insert(id)) {
                names.insert(name.clone());
                if !LEAVES.contains(&name.as_str()) {
                    open.extend(below);
                }
            }
        }
        names
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings for a workspace where each member depends on names; names that are no members lie outside.
    fn findings(members: &[(&str, &[&str])]) -> Vec<String> {
        let outside =
            members.iter().flat_map(|(_, below)| *below).filter(|n| !members.iter().any(|m| m.0 == **n));
        let outside: BTreeSet<&str> = outside.copied().collect();
        let all: Vec<(&str, &[&str])> =
            members.iter().copied().chain(outside.into_iter().map(|name| (name, &[][..]))).collect();
        let metadata = serde_json::json!({
            "packages": all.iter().map(|(name, _)| serde_json::json!({"id": name, "name": name})).collect::<Vec<_>>(),
            "workspace_members": members.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "resolve": {"nodes": all.iter().map(|(name, below)| serde_json::json!({
                "id": name,
                "deps": below.iter().map(|to| serde_json::json!({"pkg": to, "dep_kinds": [{"kind": null}]}))
                    .collect::<Vec<_>>(),
            })).collect::<Vec<_>>()},
        });
        check(&metadata).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_arrows_of_the_design_stand() {
        let workspace: &[(&str, &[&str])] = &[
            ("isobmff", &["bytes"]),
            ("packager", &["isobmff", "quick-xml"]),
            ("db", &["sqlx"]),
            ("cutetube", &["packager", "db", "axum"]),
        ];
        assert_eq!(findings(workspace), [""; 0]);
    }

    #[test]
    fn a_forbidden_arrow_is_found() {
        assert_eq!(findings(&[("transcode", &["packager"]), ("packager", &[])]).len(), 1);
    }

    #[test]
    fn a_crate_out_of_its_owners_hands_is_found() {
        assert_eq!(
            findings(&[("catalog", &["sqlx"])]),
            ["crates/catalog/Cargo.toml: `sqlx` is used by `db` only"]
        );
    }

    #[test]
    fn a_runtime_below_a_pure_crate_is_found_through_others() {
        let found = findings(&[("packager", &["isobmff"]), ("isobmff", &["helper"]), ("helper", &["tokio"])]);
        assert_eq!(found.iter().filter(|finding| finding.contains("`tokio`")).count(), 2, "{found:?}");
    }

    #[test]
    fn a_pure_crate_may_ask_what_the_processor_can_do() {
        let below = [("packager", &["cpufeatures"][..]), ("cpufeatures", &["libc"])];
        assert_eq!(findings(&below).iter().filter(|finding| finding.contains("`libc`")).count(), 0);
    }
}
