//! tests
pub(super) const ACCENTED: &str = "en-XA";
pub(super) fn accented() -> String {
    String::new()
}
