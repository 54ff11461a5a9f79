//! Embeds what `web/` was built into. Nothing built is fine: pages then say so, and the program builds without Node.js.

use std::{error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    // A folder that cargo can watch: with a missing one it would build this crate again each time.
    fs::create_dir_all(&dist)?;
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");

    let mut names = Vec::new();
    for entry in fs::read_dir(&dist)? {
        names.push(
            entry?.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?,
        );
    }
    names.sort_unstable();
    let mut table = String::from("&[\n");
    for name in names {
        let path = fs::canonicalize(dist.join(&name))?;
        writeln!(table, "    ({name:?}, include_bytes!({path:?}) as &[u8]),")?;
    }
    table.push_str("]\n");

    #[expect(clippy::disallowed_methods, reason = "cargo says in a variable where generated code goes")]
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("assets.rs"), table)?;
    Ok(())
}
