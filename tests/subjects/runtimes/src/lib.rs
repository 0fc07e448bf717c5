pub mod bells;
pub mod spawned;
pub mod work;
