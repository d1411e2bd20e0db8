//! The picture: newest frames scaled once into a persistent I420 canvas.
