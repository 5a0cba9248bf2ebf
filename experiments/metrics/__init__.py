"""Metrics: pictures (and what was asked for) in, numbers with an interval and an n out.

Every metric takes uint8 pictures `[N, 3, H, W]` (`images.to_uint8`) or features `[N, D]`, and answers with an
`intervals.Estimate`. Modules are imported one by one, so a chapter that needs an interval does not pay for CLIP.
"""
