//! Voxels of 16 points at a time with AVX-512.

use std::arch::x86_64::{
    __m512, __m512i, __mmask16, _CMP_GE_OQ, _CMP_LT_OQ, _mm512_add_epi32, _mm512_castsi512_si256, _mm512_cmp_ps_mask,
    _mm512_cmplt_epi32_mask, _mm512_cvtepu32_epi64, _mm512_cvttps_epi32, _mm512_div_ps, _mm512_extracti64x4_epi64,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_mov_epi64, _mm512_mullo_epi32, _mm512_permutex2var_ps,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_si512, _mm512_sub_ps,
};

use super::cells::Cells;

/// Points of a vector.
const LANES: usize = 16;

/// Where component `axis` of 16 points lies in their 48 numbers: first among the first 32, then, with what that gave in
/// lanes 0-15, among the last 16.
const fn gather(axis: usize) -> ([u32; LANES], [u32; LANES]) {
    let (mut first, mut second) = ([0; LANES], [0; LANES]);
    let mut lane = 0;
    while lane < LANES {
        let number = 3 * lane + axis;
        first[lane] = if number < 32 { number as u32 } else { 0 };
        second[lane] = if number < 32 { lane as u32 } else { number as u32 - 16 };
        lane += 1;
    }
    (first, second)
}

const GATHER: [([u32; LANES], [u32; LANES]); 3] = [gather(0), gather(1), gather(2)];

/// Locates as many points as fill whole vectors and says how many.
///
/// The volume of the grid must fit a u32, and `points` hold three numbers for each of `cells`.
#[target_feature(enable = "avx512f")]
pub(super) fn locate(grid: &Cells, points: &[f32], cells: &mut [u64]) -> usize {
    let dropped = _mm512_set1_epi64(grid.volume as i64);
    let whole = cells.len() / LANES * LANES;
    for (points, cells) in points.chunks_exact(3 * LANES).zip(cells.chunks_exact_mut(LANES)) {
        let (x, x_kept) = coordinate(grid, points, 0);
        let (y, y_kept) = coordinate(grid, points, 1);
        let (z, z_kept) = coordinate(grid, points, 2);
        let kept = x_kept & y_kept & z_kept;
        let extent = |axis: usize| _mm512_set1_epi32(grid.extents[axis] as i32);
        let cell = _mm512_add_epi32(_mm512_mullo_epi32(x, extent(1)), y);
        let cell = _mm512_add_epi32(_mm512_mullo_epi32(cell, extent(2)), z);
        let low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(cell));
        let high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(cell));
        // SAFETY: the chunk holds 16 cells.
        unsafe {
            let to = cells.as_mut_ptr().cast::<__m512i>();
            _mm512_storeu_si512(to, _mm512_mask_mov_epi64(dropped, kept as u8, low));
            _mm512_storeu_si512(to.add(1), _mm512_mask_mov_epi64(dropped, (kept >> 8) as u8, high));
        }
    }
    whole
}

/// The voxel coordinate of 16 points along `axis`, and which of them lie in the grid.
#[inline]
#[target_feature(enable = "avx512f")]
fn coordinate(grid: &Cells, points: &[f32], axis: usize) -> (__m512i, __mmask16) {
    assert!(points.len() >= 3 * LANES);
    let (first, second) = &GATHER[axis];
    // SAFETY: 48 numbers were asserted, and both tables hold 16 indices.
    let component: __m512 = unsafe {
        let (first, second) = (_mm512_loadu_si512(first.as_ptr().cast()), _mm512_loadu_si512(second.as_ptr().cast()));
        let [a, b, c] = [0, 16, 32].map(|offset| _mm512_loadu_ps(points.as_ptr().add(offset)));
        _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, first, b), second, c)
    };
    let position =
        _mm512_div_ps(_mm512_sub_ps(component, _mm512_set1_ps(grid.origin[axis])), _mm512_set1_ps(grid.size));
    // The floor of what is not negative is its integer part; NaN fails both comparisons.
    let coordinate = _mm512_cvttps_epi32(position);
    let kept = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(position, _mm512_setzero_ps())
        & _mm512_cmp_ps_mask::<_CMP_LT_OQ>(position, _mm512_set1_ps(2_147_483_648.0))
        & _mm512_cmplt_epi32_mask(coordinate, _mm512_set1_epi32(grid.extents[axis] as i32));
    (coordinate, kept)
}
