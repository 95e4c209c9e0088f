"""What looks at images: judges, feature extractors, resize filters; uses no other room of the evaluation."""
