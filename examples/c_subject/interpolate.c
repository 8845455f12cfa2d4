/* resample and fuse: linear interpolation, clamped at both ends. */
#include "numbers.h"

/* Times of one sequence: float seconds or int64_t nanoseconds. */
struct times {
    const void *data;
    uint32_t dtype;
};

static int is_before(struct times a, int64_t i, struct times b, int64_t j) {
    if (a.dtype == RC_I64) {
        return ((const int64_t *)a.data)[i] < ((const int64_t *)b.data)[j];
    }
    return ((const float *)a.data)[i] < ((const float *)b.data)[j];
}

/* a[i] - b[j] in float. Nanoseconds are subtracted exactly, and rounded then: the difference of two int64_t fits a
 * uint64_t, also where it overflows an int64_t. */
static float difference(struct times a, int64_t i, struct times b, int64_t j) {
    if (a.dtype == RC_I64) {
        uint64_t later = (uint64_t)((const int64_t *)a.data)[i];
        uint64_t earlier = (uint64_t)((const int64_t *)b.data)[j];
        return (float)(later - earlier);
    }
    return ((const float *)a.data)[i] - ((const float *)b.data)[j];
}

static struct times times_at(const void *data, uint32_t dtype, int64_t offset) {
    int64_t size = dtype == RC_I64 ? (int64_t)sizeof(int64_t) : (int64_t)sizeof(float);
    struct times times = {(const char *)data + offset * size, dtype};
    return times;
}

/* How many of the first `count` times are not after target j: the last of them is the knot at or before it. */
static int64_t not_after(struct times ts, int64_t count, struct times tt, int64_t j) {
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (is_before(tt, j, ts, middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* One target between two samples. */
struct position {
    int64_t before;
    int64_t after; /* the same as `before` where the result is a copy */
    float weight;  /* of `after` */
};

static struct position locate(struct times ts, int64_t count, struct times tt, int64_t j) {
    struct position position = {0, 0, 0.0f};
    int64_t passed = not_after(ts, count, tt, j);
    if (passed == 0) {
        return position; /* before the first sample: a copy of it */
    }
    position.before = passed - 1;
    position.after = passed - 1;
    if (passed == count) {
        return position; /* at or after the last sample: a copy of it */
    }
    if (!is_before(ts, passed - 1, tt, j)) {
        return position; /* exactly at a sample: a copy of it */
    }
    position.after = passed;
    float elapsed = difference(tt, j, ts, passed - 1);
    float interval = difference(ts, passed, ts, passed - 1);
    position.weight = elapsed / interval;
    return position;
}

/* A stream resampled into the columns from `first` on of y[batch, target, width]. */
static void interpolate(const struct rc_stream *stream, uint32_t dtype, uint32_t time_dtype, int64_t batch,
                        int64_t target, const void *tt, void *y, int64_t first, int64_t width) {
    int64_t source = stream->source;
    int64_t channels = stream->channels;
    for (int64_t b = 0; b < batch; ++b) {
        struct times own_times = times_at(stream->ts, time_dtype, b * source);
        struct times own_targets = times_at(tt, time_dtype, b * target);
        for (int64_t t = 0; t < target; ++t) {
            struct position position = locate(own_times, source, own_targets, t);
            int64_t before = (b * source + position.before) * channels;
            int64_t after = (b * source + position.after) * channels;
            int64_t row = (b * target + t) * width + first;
            for (int64_t d = 0; d < channels; ++d) {
                float left = load(stream->x, dtype, before + d);
                float value = left;
                if (position.after != position.before) {
                    float right = load(stream->x, dtype, after + d);
                    float left_part = left * (1.0f - position.weight);
                    float right_part = right * position.weight;
                    value = left_part + right_part;
                }
                store(y, dtype, row + d, value);
            }
        }
    }
}

RC_EXPORT int rc_resample(const struct rc_resample_args *args, void *stream) {
    (void)stream;
    struct rc_stream only = {args->x, args->ts, args->source, args->channels};
    interpolate(&only, args->dtype, args->time_dtype, args->batch, args->target, args->tt, args->y, 0, args->channels);
    return RC_OK;
}

RC_EXPORT int rc_fuse(const struct rc_fuse_args *args, void *stream) {
    (void)stream;
    int64_t first = 0;
    for (int64_t i = 0; i < args->stream_count; ++i) {
        interpolate(&args->streams[i], args->dtype, args->time_dtype, args->batch, args->target, args->tt, args->y,
                    first, args->channels);
        first += args->streams[i].channels;
    }
    return RC_OK;
}
