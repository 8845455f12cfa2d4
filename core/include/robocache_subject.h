/*
 * RoboCache subjects: operators in a shared library of your own, taken through the suites of `validation
 * --subject`.
 *
 * Plain C99, and C++. This header is all that a subject needs: it links to nothing. docs/subject_abi.md walks
 * through a first subject; examples/c_subject and examples/cuda_subject are two that are complete.
 *
 * A subject exports rc_subject_describe, and those of rc_resample, rc_fuse and rc_voxelize that it has. Cells
 * of operators that it lacks are skipped, and say so. It may export rc_*_workspace_bytes beside them.
 *
 * Memory. The harness owns all of it; a subject keeps no pointer beyond a call.
 *   - Arrays are dense and row-major, in host memory for a CPU subject and in device memory for a CUDA subject.
 *     The first element is aligned to 64 bytes on the host and to 256 bytes on a device. Rows need not be
 *     aligned: D may be odd.
 *   - Inputs are read only. Outputs must be written completely: they hold poison before the call. Nothing
 *     beside an output may be touched. The harness checks all three.
 *   - The structs, the array of streams and the message buffer lie in host memory, always, and live during the
 *     call only.
 *   - No data pointer is null, also where an array is empty; only `features` of modes that take none is.
 *   - Workspace: scratch memory of as many bytes as rc_*_workspace_bytes said, on the subject's device, aligned
 *     as arrays are, null if that is 0. It holds anything when a call starts, such as what an earlier call
 *     left, and may be left so.
 *
 * Calls. All calls come from one thread at a time, not always the same one. A launcher may be called again and
 * again with other arguments, and with the same ones, and must give the same bits. No C++ exception may leave
 * it.
 *   - A CPU subject computes before it returns. `stream` is null. It may use threads of its own. The harness
 *     has no say in their number or in the instruction set, so it does not claim to have varied them.
 *   - A CUDA subject enqueues its work on `stream`, a cudaStream_t (CUstream) of the current device, whose
 *     primary context is current on the calling thread, and returns without waiting. The call may be captured
 *     into a graph, and the graph replayed: between the begin and the end of a launcher allocate and free
 *     nothing, synchronise nothing, copy nothing from pageable memory, read no result, and use no other stream
 *     unless it is forked from this one and joined to it. The arguments of launches are copied by CUDA;
 *     rc_stream arrays are host memory, so pass their contents by value. Loading code lazily is fine: a
 *     launcher is called plainly before it is captured. Ask cudaGetLastError() after each launch, and return
 *     RC_FAILED with its text if there is one.
 *
 * Numerics. One definition, to the bit: docs/subject_abi.md says it in full. In short: multiplications and
 * additions are rounded one by one (compile with -ffp-contract=off or -fmad=false, and without fast-math),
 * results are rounded once to the dtype (to nearest, ties to even), every NaN in an output is the dtype's
 * canonical one (0x7FC00000, 0x7E00, 0x7FC0), subnormals are kept.
 *
 * Versions. RC_SUBJECT_ABI_VERSION counts up with every change. Structs only grow at their end, so a subject
 * built with an older header keeps loading: the harness gives it the structs that it knows, whose size stands
 * in their first field. A subject that is newer than the harness is refused, and told so. rc_call and rc_stream
 * never change.
 */
#ifndef ROBOCACHE_SUBJECT_H
#define ROBOCACHE_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header. */
#define RC_SUBJECT_ABI_VERSION 1

#ifdef __cplusplus
#define RC_EXTERN_C extern "C"
#else
#define RC_EXTERN_C
#endif

/* Stands before each function that the harness calls. */
#define RC_EXPORT RC_EXTERN_C __attribute__((visibility("default")))

/* What a launcher returns. Anything but RC_OK is a failed cell, whose verdict quotes the message. */
#define RC_OK 0
/* The subject cannot do what is asked, and should have said so in rc_subject_info. */
#define RC_UNSUPPORTED 1
/* An argument breaks a rule. */
#define RC_INVALID_ARGUMENT 2
/* Anything else: a CUDA error, no memory. Larger numbers are the subject's own. */
#define RC_FAILED 3

/* Where a subject computes. */
#define RC_DEVICE_CPU 0
#define RC_DEVICE_CUDA 1

/* Element types: IEEE binary32 and binary16, bfloat16, two's complement integers. */
#define RC_F32 0
#define RC_F16 1
#define RC_BF16 2
#define RC_I32 3
#define RC_I64 4

/* What voxelize computes for each voxel. */
#define RC_VOXEL_COUNT 0
#define RC_VOXEL_OCCUPANCY 1
#define RC_VOXEL_MEAN 2
#define RC_VOXEL_MAX 3

/* The most streams of one fuse. */
#define RC_MAX_STREAMS 16

/*
 * What a subject says of itself. rc_subject_describe is given it zeroed but for `size`, the bytes that the
 * harness knows, and may not write beyond them. At the end of this header, RC_DESCRIBE fills what every
 * description has, and RC_SUBJECT writes the whole function.
 */
struct rc_subject_info {
    uint64_t size;
    uint32_t abi_version; /* RC_SUBJECT_ABI_VERSION */
    uint32_t device;      /* RC_DEVICE_CPU or RC_DEVICE_CUDA */
    const char *name;     /* text that lives as long as the library, such as "mylib resample"; evidence carries it */
    const char *version;  /* likewise, such as "1.4.2" or a commit */
    uint64_t resample_args_size; /* sizeof(struct rc_resample_args), as the subject was compiled */
    uint64_t fuse_args_size;
    uint64_t voxelize_args_size;
    uint64_t stream_size;
    /* What the subject takes, as bits such as 1u << RC_F16; 0 means all. Cells of others are skipped, and say so. */
    uint32_t dtypes;      /* of x, y and features */
    uint32_t time_dtypes; /* RC_F32 and RC_I64 */
    uint32_t voxel_modes;
    uint32_t reserved;
};

/* How every call begins. */
struct rc_call {
    uint64_t size;             /* of the whole struct that begins with this */
    char *message;             /* where an error may be explained, in UTF-8 ending with a zero byte; never null */
    uint64_t message_capacity; /* bytes there, the zero byte included; at least 256 */
    void *workspace;
    uint64_t workspace_bytes;
};

/*
 * x[batch, source, channels] sampled at ts[batch, source], at the times tt[batch, target] -> y[batch, target,
 * channels].
 */
struct rc_resample_args {
    struct rc_call call;
    uint32_t dtype;      /* of x and y: RC_F32, RC_F16 or RC_BF16 */
    uint32_t time_dtype; /* of ts and tt: RC_F32, seconds, or RC_I64, nanoseconds */
    int64_t batch;       /* 0 or more */
    int64_t source;      /* 1 or more */
    int64_t channels;    /* 1 or more */
    int64_t target;      /* 0 or more */
    const void *x;
    const void *ts; /* never decreasing within a sequence, no NaN; equal times are legal, and so are infinite ones */
    const void *tt; /* in any order, no NaN */
    void *y;
};

/* One stream of a fuse: x[batch, source, channels] at ts[batch, source]. */
struct rc_stream {
    const void *x;
    const void *ts;
    int64_t source;   /* 1 or more */
    int64_t channels; /* 1 or more */
};

/* Streams resampled at tt[batch, target] and put side by side -> y[batch, target, channels]. */
struct rc_fuse_args {
    struct rc_call call;
    uint32_t dtype;      /* of every x and of y */
    uint32_t time_dtype; /* of every ts and of tt */
    int64_t batch;
    int64_t target;
    int64_t channels;     /* the sum of those of the streams */
    int64_t stream_count; /* 1 to RC_MAX_STREAMS */
    const struct rc_stream *streams; /* in host memory */
    const void *tt;
    void *y;
};

/*
 * points[point_count, 3] and features[point_count, feature_count] into a grid:
 * voxels[X, Y, Z] of int32_t for count and occupancy, voxels[X, Y, Z, feature_count] of float for mean and max.
 */
struct rc_voxelize_args {
    struct rc_call call;
    uint32_t mode;         /* RC_VOXEL_* */
    uint32_t dtype;        /* of features; without meaning for count and occupancy */
    int64_t point_count;   /* 0 to 2^31 - 1 */
    int64_t feature_count; /* 0 for count and occupancy, else 1 or more */
    int64_t grid[3];       /* X, Y, Z; x is slowest in memory; each from 1 to 2^31 - 1 */
    float origin[3];       /* the corner of voxel [0, 0, 0] */
    float voxel_size;      /* positive */
    const float *points;   /* any bits: points that are not finite are dropped */
    const void *features;
    void *voxels;
    int64_t *dropped; /* one number, to be written, not added to: how many points lie in no voxel */
};

/* What a subject exports. Leave out the launchers that it does not have. */
RC_EXPORT int rc_subject_describe(struct rc_subject_info *info);
RC_EXPORT int rc_resample(const struct rc_resample_args *args, void *stream);
RC_EXPORT int rc_fuse(const struct rc_fuse_args *args, void *stream);
RC_EXPORT int rc_voxelize(const struct rc_voxelize_args *args, void *stream);

/*
 * Optional: bytes of workspace for a call of these extents. All pointers but `streams` are null, all numbers
 * are those of the call. Without it there are 0.
 */
RC_EXPORT uint64_t rc_resample_workspace_bytes(const struct rc_resample_args *args);
RC_EXPORT uint64_t rc_fuse_workspace_bytes(const struct rc_fuse_args *args);
RC_EXPORT uint64_t rc_voxelize_workspace_bytes(const struct rc_voxelize_args *args);

/*
 * Fills what every description says. A newer subject never writes beyond what an older harness has: this is
 * version 1.
 */
#define RC_DESCRIBE(info, device_, name_, version_)                      \
    do {                                                                 \
        (info)->abi_version = RC_SUBJECT_ABI_VERSION;                    \
        (info)->device = (device_);                                      \
        (info)->name = (name_);                                          \
        (info)->version = (version_);                                    \
        (info)->resample_args_size = sizeof(struct rc_resample_args);    \
        (info)->fuse_args_size = sizeof(struct rc_fuse_args);            \
        (info)->voxelize_args_size = sizeof(struct rc_voxelize_args);    \
        (info)->stream_size = sizeof(struct rc_stream);                  \
    } while (0)

/*
 * The whole of rc_subject_describe, for a subject that takes every dtype and mode: RC_SUBJECT(RC_DEVICE_CPU,
 * "mine", "1")
 */
#define RC_SUBJECT(device_, name_, version_)                             \
    RC_EXPORT int rc_subject_describe(struct rc_subject_info *info) {    \
        RC_DESCRIBE(info, device_, name_, version_);                     \
        return RC_OK;                                                    \
    }                                                                    \
    struct rc_subject_info /* so that a semicolon may follow */

#endif
