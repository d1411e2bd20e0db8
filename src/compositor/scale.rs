//! One frame into one rectangle of the canvas, by libyuv. The only file with `unsafe`: everything is checked here first.
#![allow(unsafe_code)]

use yuv_sys::{FilterMode_kFilterBox, rs_I420Scale};

use super::canvas::Canvas;
use super::frame::Frame;
use crate::scene::{Crop, Placement, Rect};

/// Scales what the placement shows of the frame into the canvas; equal sizes are copied. False, and nothing done, when
/// frame or placement are not sound.
#[must_use]
pub(super) fn scale(frame: &Frame<'_>, placement: Placement, canvas: &mut Canvas) -> bool {
    let Placement { crop, target } = placement;
    if !frame.is_whole() || !inside(crop, frame) || target.is_empty() || !target.within(canvas.size()) {
        return false;
    }
    let [sy, su, sv] = [(0, 1), (1, 2), (2, 2)].map(|(i, half)| {
        let plane = frame.planes[i];
        let offset = crop.y.index() / half * plane.stride + crop.x.index() / half;
        (&plane.data[offset..], plane.stride as i32)
    });
    let [(dy, ty), (du, tu), (dv, tv)] = destination(canvas, target);
    // SAFETY: `Frame::is_whole` says that each plane holds (rows − 1) × stride + columns bytes and that strides and sizes
    // fit an i32, `inside` that the crop lies in the frame and begins on a chroma sample, so libyuv reads only rows and
    // columns of it, counted from the offsets taken with bounds checks above. `target` is even, lies within the canvas,
    // and the canvas has exactly width × height × 3/2 bytes, so it writes only inside those three planes, which
    // `split_at_mut` made disjoint; source and canvas cannot overlap because the canvas is borrowed mutably.
    let result = unsafe {
        rs_I420Scale(
            sy.0.as_ptr(),
            sy.1,
            su.0.as_ptr(),
            su.1,
            sv.0.as_ptr(),
            sv.1,
            crop.width as i32,
            crop.height as i32,
            dy.as_mut_ptr(),
            ty,
            du.as_mut_ptr(),
            tu,
            dv.as_mut_ptr(),
            tv,
            target.width.get() as i32,
            target.height.get() as i32,
            FilterMode_kFilterBox,
        )
    };
    result == 0
}

fn inside(crop: Crop, frame: &Frame<'_>) -> bool {
    let fits =
        |start: u32, length: u32, whole: u32| length > 0 && start.checked_add(length).is_some_and(|e| e <= whole);
    fits(crop.x.get(), crop.width, frame.width) && fits(crop.y.get(), crop.height, frame.height)
}

/// The canvas' planes from the target's first pixel on, with their strides.
fn destination(canvas: &mut Canvas, target: Rect) -> [(&mut [u8], i32); 3] {
    let mut half = 1;
    canvas.planes_mut().map(|plane| {
        let offset = target.y.index() / half * plane.stride + target.x.index() / half;
        half = 2;
        (&mut plane.data[offset..], plane.stride as i32)
    })
}
