// What this library says of itself.
#include "robocache_subject.h"

RC_EXPORT int rc_subject_describe(rc_subject_info *info) {
    RC_DESCRIBE(info, RC_DEVICE_CUDA, "cuda_subject", "1.0");
    info->voxel_modes = 1u << RC_VOXEL_COUNT | 1u << RC_VOXEL_OCCUPANCY | 1u << RC_VOXEL_MAX;
    return RC_OK;
}
