pub mod spawned;
pub mod work;
