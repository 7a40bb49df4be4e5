"""The command line and the library behind it. It talks to AWS with boto3, whichever AWS that is."""
