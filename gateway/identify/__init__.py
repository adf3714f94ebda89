"""Identification: whose image is it?"""
