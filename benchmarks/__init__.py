"""Measurements that the documents quote; each file begins with how to run it."""
