// The one translation unit of the image: every family, compiled together into one fatbin.
#include "resample.cu"
#include "fuse.cu"
#include "voxelize.cu"
#include "compare.cu"
#include "copy.cu"
#include "delay.cu"
#include "pattern.cu"
