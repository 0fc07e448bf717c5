#[path = "../../fate.rs"]
pub mod fate;
pub mod work;
