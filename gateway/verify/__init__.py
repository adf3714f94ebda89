"""Is it the patient that the chart says?"""
