//! Voxels of 8 points at a time with AVX2.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GE_OQ, _CMP_LT_OQ, _mm256_add_epi32, _mm256_and_si256, _mm256_blendv_epi8,
    _mm256_castps_si256, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi32_epi64,
    _mm256_cvtepu32_epi64, _mm256_cvttps_epi32, _mm256_div_ps, _mm256_extracti128_si256, _mm256_i32gather_ps,
    _mm256_mullo_epi32, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps,
    _mm256_storeu_si256, _mm256_sub_ps,
};

use super::cells::Cells;

/// Points of a vector.
const LANES: usize = 8;

/// Locates as many points as fill whole vectors and says how many.
///
/// The volume of the grid must fit a u32, and `points` hold three numbers for each of `cells`.
#[target_feature(enable = "avx2")]
pub(super) fn locate(grid: &Cells, points: &[f32], cells: &mut [u64]) -> usize {
    let dropped = _mm256_set1_epi64x(grid.volume as i64);
    let whole = cells.len() / LANES * LANES;
    for (points, cells) in points.chunks_exact(3 * LANES).zip(cells.chunks_exact_mut(LANES)) {
        let (x, x_kept) = coordinate(grid, points, 0);
        let (y, y_kept) = coordinate(grid, points, 1);
        let (z, z_kept) = coordinate(grid, points, 2);
        let kept = _mm256_and_si256(_mm256_and_si256(x_kept, y_kept), z_kept);
        let extent = |axis: usize| _mm256_set1_epi32(grid.extents[axis] as i32);
        let cell = _mm256_add_epi32(_mm256_mullo_epi32(x, extent(1)), y);
        let cell = _mm256_add_epi32(_mm256_mullo_epi32(cell, extent(2)), z);
        let halves = [
            (_mm256_castsi256_si128(cell), _mm256_castsi256_si128(kept)),
            (_mm256_extracti128_si256::<1>(cell), _mm256_extracti128_si256::<1>(kept)),
        ];
        for ((cell, kept), cells) in halves.into_iter().zip(cells.chunks_exact_mut(LANES / 2)) {
            let cell = _mm256_blendv_epi8(dropped, _mm256_cvtepu32_epi64(cell), _mm256_cvtepi32_epi64(kept));
            // SAFETY: the chunk holds four cells.
            unsafe { _mm256_storeu_si256(cells.as_mut_ptr().cast::<__m256i>(), cell) };
        }
    }
    whole
}

/// The voxel coordinate of 8 points along `axis`, and all ones for those that lie in the grid.
#[inline]
#[target_feature(enable = "avx2")]
fn coordinate(grid: &Cells, points: &[f32], axis: usize) -> (__m256i, __m256i) {
    assert!(points.len() >= 3 * LANES && axis < 3);
    let component: __m256 = {
        let every_third = _mm256_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21);
        // SAFETY: the farthest number read is `axis + 21`, less than the 24 asserted.
        unsafe { _mm256_i32gather_ps::<4>(points.as_ptr().add(axis), every_third) }
    };
    let position =
        _mm256_div_ps(_mm256_sub_ps(component, _mm256_set1_ps(grid.origin[axis])), _mm256_set1_ps(grid.size));
    // The floor of what is not negative is its integer part; NaN fails both comparisons.
    let coordinate = _mm256_cvttps_epi32(position);
    let not_negative = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(position, _mm256_setzero_ps()));
    let fits = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(position, _mm256_set1_ps(2_147_483_648.0)));
    let inside = _mm256_cmpgt_epi32(_mm256_set1_epi32(grid.extents[axis] as i32), coordinate);
    (coordinate, _mm256_and_si256(_mm256_and_si256(not_negative, fits), inside))
}
