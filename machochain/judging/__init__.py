"""What is made of findings: policy, baseline, groups."""
