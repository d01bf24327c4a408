"""Workarounds for single servers, one file for each server."""
