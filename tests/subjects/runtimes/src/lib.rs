pub mod bells;
#[path = "../../fate.rs"]
pub mod fate;
pub mod spawned;
pub mod work;
