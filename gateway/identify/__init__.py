"""Whose image is it?"""
