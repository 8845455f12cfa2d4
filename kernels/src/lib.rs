//! CUDA kernels of RoboCache.
