"""Which trials every participant sees: methods compared, order and sides, the plan of a study."""
