//! Command headers, opcodes and lengths (PRM Vol 2a; genxml; i915 `gt/intel_gpu_commands.h`).

pub mod blt;
pub mod length;
pub mod mi;
pub mod pipe_control;
