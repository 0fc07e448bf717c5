pub mod bells;
pub mod work;
