"""The contract of drivers, faces and simulators as plain functions, for our tests and plugins'."""
