"""Verification: is it the patient that the chart names?"""
