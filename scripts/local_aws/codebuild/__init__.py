"""CodeBuild: builds that really run, as subprocesses with the project's role, and their end told to
Step Functions."""
