"""Least privilege, measured: what the roles asked IAM for beside what their policies allow."""
