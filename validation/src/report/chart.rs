//! The picture of a benchmark: one bar a series, as long as a call takes beside a copy of as many bytes.

use plotters::{
    prelude::{IntoDrawingArea, PathElement, Rectangle, SVGBackend, Text},
    style::{Color, IntoFont, RGBColor, WHITE},
};

use super::performance::{Row, problem};

const WIDTH: i32 = 1000;
/// Where bars begin; labels are left of it.
const LEFT: i32 = 470;
/// Where the longest bar ends; its value is right of it.
const RIGHT: i32 = 920;
const TOP: i32 = 50;
const ROW_HEIGHT: i32 = 20;
/// Ratios are drawn up to this one; longer bars are cut off, and their value says so.
const LARGEST_RATIO: f64 = 8.0;

const TEXT: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(200, 200, 200);
const COPY: RGBColor = RGBColor(60, 60, 60);
const WITHIN: RGBColor = RGBColor(70, 140, 90);
const BEYOND: RGBColor = RGBColor(190, 70, 60);
const UNLIMITED: RGBColor = RGBColor(110, 140, 180);

/// An SVG image of these rows, in their order. It holds nothing that changes from run to run but the numbers.
pub fn render(rows: &[Row<'_>]) -> String {
    let largest = rows.iter().map(|row| row.facts.ratio.median).fold(2.0, f64::max).ceil().min(LARGEST_RATIO);
    // Where a bar of this ratio ends.
    let place = |ratio: f64| LEFT + (f64::from(RIGHT - LEFT) * ratio.min(largest) / largest).round() as i32;
    let height = TOP + ROW_HEIGHT * rows.len() as i32 + 10;
    let mut image = String::new();
    {
        let area = SVGBackend::with_string(&mut image, (WIDTH as u32, height as u32)).into_drawing_area();
        // A string takes everything that is written to it: nothing below can fail.
        const WRITES: &str = "a string takes every element";
        area.fill(&WHITE).expect(WRITES);
        let text = |text: String, x: i32, y: i32, color: &RGBColor| {
            area.draw(&Text::new(text, (x, y), ("sans-serif", 16).into_font().color(color))).expect(WRITES);
        };
        let line = |x: i32, color: &RGBColor| {
            let ends = vec![(x, TOP - 4), (x, height - 10)];
            area.draw(&PathElement::new(ends, color.stroke_width(1))).expect(WRITES);
        };
        text(
            "time of a call over that of a copy of as many bytes, medians; shorter is better".to_owned(),
            10,
            8,
            &TEXT,
        );
        for ratio in 1..=largest as i32 {
            let x = place(f64::from(ratio));
            line(x, if ratio == 1 { &COPY } else { &GRID });
            text(ratio.to_string(), x - 3, TOP - 20, &TEXT);
        }
        for (number, row) in rows.iter().enumerate() {
            let y = TOP + ROW_HEIGHT * number as i32;
            let ratio = row.facts.ratio.median;
            let color = match row.limit {
                None => UNLIMITED,
                Some(limit) if ratio <= limit => WITHIN,
                Some(_) => BEYOND,
            };
            text(label(row), 10, y + 3, &TEXT);
            area.draw(&Rectangle::new([(LEFT, y + 3), (place(ratio), y + 16)], color.filled())).expect(WRITES);
            if let Some(limit) = row.limit.filter(|limit| *limit <= largest) {
                let x = place(limit);
                area.draw(&PathElement::new(vec![(x, y), (x, y + 19)], TEXT.stroke_width(2))).expect(WRITES);
            }
            text(format!("{ratio:.2}"), place(ratio) + 6, y + 3, &TEXT);
        }
        area.present().expect(WRITES);
    }
    image
}

fn label(row: &Row<'_>) -> String {
    let Row { cell, facts, .. } = row;
    format!("{} {} {} {} {}", cell.operator, cell.device, cell.dtype, problem(cell), facts.series)
}
